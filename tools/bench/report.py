"""The figures as JSON and as a page; both come from one run."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tools.launcher.home import ROOT

JSON_FILE = ROOT / ".moat" / "bench.json"
PAGE = ROOT / "docs" / "benchmarks.md"
Figures = dict[str, Any]

_CASES = {
    "direct_deep": "the deep model in ONNX Runtime, in process, one thread, its best batch",
    "triton_deep": "the same behind a bare Triton, the best of single and batched clients",
    "mesh_deep": "the whole mesh, every line forced through the deep tier",
    "mesh": "the whole mesh as configured",
    "mesh_traced": "the same with every trace kept",
    "mesh_fast": "the whole mesh without the deep tier",
    "mesh_fast_traced": "the same with every trace kept",
    "mesh_unary": "a plain gRPC client, one call a line; the mesh coalesces behind it",
    "mesh_uncoalesced": "as `mesh_unary`, and no hop coalesces",
    "triton_alone": "one caller of the bare Triton",
    "idle_deep": "one caller of the mesh, every line forced through the deep tier",
    "idle": "one caller of the mesh as configured",
    "open_loop_200": "200 lines a second on a schedule that waits for nobody",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be."""

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def wanted(self) -> str:
        """As text."""
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


def targets(figures: Mapping[str, Any]) -> list[Target]:
    """Every target whose cases were run."""

    def value(case: str, key: str = "per_s") -> float:
        return float(figures[case][key])

    wanted = (
        ("`mesh_fast` per second", ("mesh_fast",), lambda: value("mesh_fast"), 2000, None),
        ("`mesh` per second", ("mesh",), lambda: value("mesh"), 1200, None),
        (
            "`mesh` / `mesh_uncoalesced`",
            ("mesh", "mesh_uncoalesced"),
            lambda: value("mesh") / value("mesh_uncoalesced"),
            6,
            None,
        ),
        ("`mesh_unary` per second", ("mesh_unary",), lambda: value("mesh_unary"), 400, None),
        (
            "`mesh_deep` / `triton_deep`",
            ("mesh_deep", "triton_deep"),
            lambda: value("mesh_deep") / value("triton_deep"),
            0.8,
            None,
        ),
        ("`idle` p50, ms", ("idle",), lambda: value("idle", "p50_ms"), None, 12),
        (
            "`idle_deep` p50 less 1.5 times Triton's own, ms",
            ("idle_deep", "triton_alone"),
            lambda: value("idle_deep", "p50_ms") - 1.5 * value("triton_alone", "p50_ms"),
            None,
            8,
        ),
        ("`open_loop_200` p99, ms", ("open_loop_200",), lambda: value("open_loop_200", "p99_ms"), None, 40),
        (
            "overload: goodput / peak",
            ("overload", "mesh"),
            lambda: value("overload", "goodput_per_s") / value("mesh"),
            0.9,
            None,
        ),
        (
            "overload: quiet tenants' p99 / the same beside half the peak",
            ("overload",),
            lambda: figures["overload"]["quiet"]["p99_ms"] / figures["overload"]["quiet_alone"]["p99_ms"],
            None,
            2,
        ),
        ("memory of the whole mesh, MB", ("memory_mb",), lambda: float(figures["memory_mb"]), None, 2500),
    )
    return [
        Target(what, compute(), at_least, at_most)
        for what, cases, compute, at_least, at_most in wanted
        if all(case in figures for case in cases)
    ]


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "memory_gb": f"{psutil.virtual_memory().total / 1e9:.0f}",
        "python": platform.python_version(),
        "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def write(figures: Figures) -> str:
    """Writes both files; returns the page."""
    JSON_FILE.parent.mkdir(exist_ok=True)
    JSON_FILE.write_text(json.dumps(figures, indent=1) + "\n")
    page = _page(figures)
    PAGE.write_text(page)
    return page


def _page(figures: Figures) -> str:
    about = figures["machine"]
    rows = [
        f"| `{case}` | {meaning} | {one['per_s']:,.0f} | {one['p50_ms']:.1f} | {one['p95_ms']:.1f} | {one['p99_ms']:.1f} |"
        for case, meaning in _CASES.items()
        if (one := figures.get(case))
    ]
    reached = [
        f"| {target.what} | {target.wanted} | {target.value:.2f} | {'yes' if target.met else '**no**'} |"
        for target in targets(figures)
    ]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"Written by `make bench`, {figures['seconds']:g} s measured per case (`--seconds`). All of it comes from one run,",
            "load generator and mesh side by side on one machine:",
            f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB, Python {about['python']}, {about['time']}.",
            "Figures of another machine differ; the ratios should not.",
            "",
            "| case | what | per second | p50 ms | p95 ms | p99 ms |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            *_notes(figures),
            "",
            "## Targets",
            "| what | wanted | measured | met |",
            "| --- | --- | ---: | --- |",
            *reached,
            "",
        ]
    )


def _notes(figures: Figures) -> list[str]:
    notes = []
    if "deep_share" in figures:
        notes.append(f"- `mesh`: {figures['deep_share']:.0%} of the lines were asked of the deep tier.")
    if "how" in figures:
        notes.append(f"- `direct_deep`: best at batches of {figures['how']['direct_deep']}.")
        notes.append(f"- `triton_deep`: best with {figures['how']['triton_deep']}.")
    if "overload" in figures:
        one = figures["overload"]
        notes.append(
            f"- Overload: a greedy tenant offers {one['offered_per_s']:,.0f} lines a second, of which flow control lets "
            f"{one['sent_per_s']:,.0f} in; {one['goodput_per_s']:,.0f} are decided and {one['refused_per_s']:,.0f} refused. "
            f"Two quiet tenants meanwhile: p50 {one['quiet']['p50_ms']:.0f} ms, p99 {one['quiet']['p99_ms']:.0f} ms, "
            f"{one['quiet_refused']} refused; beside half the peak: p99 {one['quiet_alone']['p99_ms']:.0f} ms."
        )
    if failed := {case: count for case, count in figures.get("failed", {}).items() if count}:
        notes.append(f"- Not answered: {', '.join(f'`{case}` {count}' for case, count in failed.items())}.")
    notes.append("- Every line is different. Open loops count from the scheduled time (coordinated omission).")
    return notes
