"""`python -m tools.bench [--seconds N] [--only NAME…]`: measures, writes .moat/bench.json and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import uvloop

from tools.bench import deep
from tools.bench.asking import at_rate, saturate
from tools.bench.load import Load
from tools.bench.meshes import RunningMesh, mesh
from tools.bench.overload import overload
from tools.bench.report import JSON_FILE, PAGE, Figures, machine, targets, write
from tools.bench.stats import Result
from tools.launcher.control import MeshDown

_CALLERS = 256
_UNARY_CALLERS = 64
_TIMES = 10.0
_UNCOALESCED = {"GATEWAY_COALESCE": "false", "DETECTION_DEEP_BATCH": "1"}


class Bench:
    """Runs groups of cases, each in a mesh of its own, and gathers the figures."""

    def __init__(self, seconds: float) -> None:
        """`seconds` are measured per case."""
        self.figures: Figures = {"machine": machine(), "seconds": seconds, "failed": {}}
        self._seconds = seconds
        self._seed = 0

    def configured(self) -> None:
        """As configured, no plain trace kept."""
        with mesh() as one:
            self.figures["memory_mb"] = round(one.memory_mb())
            self._closed("idle", one, callers=1)
            before = one.deep_lines()
            self._closed("mesh", one, callers=_CALLERS)
            lines, asked = (now - then for now, then in zip(one.deep_lines(), before, strict=True))
            self.figures["deep_share"] = round(asked / lines, 3)
            self._closed("mesh_unary", one, callers=_UNARY_CALLERS, transport="unary")
            self._keep("open_loop_200", *uvloop.run(at_rate(one, per_second=200, seconds=self._seconds, seed=77)))
            peak = self.figures["mesh"]["per_s"]
            found = uvloop.run(overload(one, peak_per_s=peak, times=_TIMES, seconds=self._seconds))
            self.figures["overload"] = asdict(found) | {
                "quiet": found.quiet.as_json(),
                "quiet_alone": found.quiet_alone.as_json(),
            }
            self.figures["memory_mb"] = max(self.figures["memory_mb"], round(one.memory_mb()))

    def traced(self) -> None:
        """Every trace kept."""
        with mesh(keep_share=1.0) as one:
            self._closed("mesh_traced", one, callers=_CALLERS)
        with mesh({"DETECTION_DEEP": "never"}, keep_share=1.0) as one:
            self._closed("mesh_fast_traced", one, callers=_CALLERS)

    def fast(self) -> None:
        """Without the deep tier."""
        with mesh({"DETECTION_DEEP": "never"}) as one:
            self._closed("mesh_fast", one, callers=_CALLERS)

    def deep(self) -> None:
        """The model alone, behind Triton, and behind the whole mesh."""
        direct, batch = deep.direct(self._seconds)
        self.figures["direct_deep"] = direct.as_json()
        with mesh({"DETECTION_DEEP": "always"}) as one:
            best, how, alone = uvloop.run(deep.behind_triton(one.topology.triton, self._seconds))
            self.figures["triton_deep"], self.figures["triton_alone"] = best.as_json(), alone.as_json()
            self.figures["how"] = {"direct_deep": batch, "triton_deep": how}
            self._closed("idle_deep", one, callers=1)
            self._closed("mesh_deep", one, callers=_CALLERS)

    def uncoalesced(self) -> None:
        """One call an item at every hop."""
        with mesh(_UNCOALESCED) as one:
            self._closed("mesh_uncoalesced", one, callers=_UNARY_CALLERS, transport="unary")

    def _closed(self, case: str, one: RunningMesh, *, callers: int, **options: Any) -> None:  # noqa: ANN401 - the SDK's
        self._seed += 1
        self._keep(case, *uvloop.run(saturate(one, callers=callers, seconds=self._seconds, seed=self._seed, **options)))

    def _keep(self, case: str, result: Result, load: Load) -> None:
        self.figures[case] = result.as_json()
        self.figures["failed"][case] = load.failed
        sys.stderr.write(f"{case}: {self.figures[case]} failed {load.failed}\n")


def main() -> int:
    """Returns the exit code. A target that is missed is told, not an error: machines differ."""
    parser = argparse.ArgumentParser(prog="tools.bench", description=__doc__)
    groups: dict[str, Callable[[Bench], None]] = {
        "configured": Bench.configured,
        "fast": Bench.fast,
        "deep": Bench.deep,
        "traced": Bench.traced,
        "uncoalesced": Bench.uncoalesced,
    }
    parser.add_argument("--seconds", type=float, default=8.0, help="measured per case")
    parser.add_argument("--only", nargs="*", choices=sorted(groups), help="print these groups and write nothing")
    arguments = parser.parse_args()
    bench = Bench(arguments.seconds)
    for name in arguments.only or groups:
        sys.stderr.write(f"— {name}\n")
        try:
            groups[name](bench)
        except MeshDown as problem:
            sys.stderr.write(f"bench: {problem}\n")
            return 1
    for target in targets(bench.figures):
        sys.stdout.write(
            f"{'met   ' if target.met else 'MISSED'} {target.what}: {target.value:.2f} ({target.wanted})\n"
        )
    if not arguments.only:
        write(bench.figures)
        sys.stdout.write(f"written: {JSON_FILE}, {PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
