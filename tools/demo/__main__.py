"""`python -m tools.demo`: plays `samples/conversation.jsonl`, pictures and clips through the running mesh, and checks that all
went well."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from moat_client import Decision, Moat, MoatError

from services.runtime.topology import Topology
from tools.cli.failure import Failure
from tools.cli.session import open_client, running_topology
from tools.demo.clips import speak
from tools.demo.pictures import show
from tools.demo.play import Played, play, read_lines, summary
from tools.launcher.home import ROOT

_CONVERSATION = ROOT / "samples" / "conversation.jsonl"
_EXPECTED_OUTCOMES = {"ALLOW", "MASK", "HOLD", "DROP"}
_EXPECTED_SERVICES = {"client", "edge", "gateway", "detection", "context", "routing", "audit", "triton"}
_TRACE_SECONDS = 30.0
_PAUSE = 0.04
"""Seconds between lines: as busy as a large channel, and still to be read."""


def main() -> int:
    """Returns the exit code: 0 only if every check holds."""
    try:
        topology = running_topology()
        problems = asyncio.run(_run(topology))
    except Failure as failure:
        problems = [str(failure)]
    for problem in problems:
        sys.stderr.write(f"demo: {problem}\n")
    return 1 if problems else 0


async def _run(topology: Topology) -> list[str]:
    async with open_client(topology, tenant="demo", roles=("game_server", "auditor"), timeout=10) as moat:
        played = await play(moat, read_lines(_CONVERSATION), tell=sys.stdout.write, pause=_PAUSE)
        sys.stdout.write(summary(played))
        problems = _check_answers(played)
        problems += await show(moat, topology.process("detection").state_dir / "banks", tell=sys.stdout.write)
        problems += await speak(moat, tell=sys.stdout.write)
        problems += await _check_records(moat, played)
    decisions = [one.answer for one in played if isinstance(one.answer, Decision)]
    page = f"http://{topology.collector.host}:{topology.collector.page}"
    traced = await _traced(page, decisions)
    if traced is None:
        problems.append(f"no decision's trace shows all of {', '.join(sorted(_EXPECTED_SERVICES))}")
    else:
        sys.stdout.write(f"\na decision's trace: {page}/decisions/{traced}\n")
    sys.stdout.write(f"recent decisions:   {page}/\n")
    return problems


def _check_answers(played: Sequence[Played]) -> list[str]:
    errors = {one.answer.reason for one in played if isinstance(one.answer, MoatError)}
    outcomes = {one.answer.outcome for one in played if isinstance(one.answer, Decision)}
    problems = [f"some lines were not decided: {', '.join(sorted(errors))}"] if errors else []
    if missing := _EXPECTED_OUTCOMES - outcomes:
        problems.append(f"no line came to {', '.join(sorted(missing))}")
    return problems


async def _check_records(moat: Moat, played: Sequence[Played]) -> list[str]:
    decisions = [one.answer for one in played if isinstance(one.answer, Decision)]
    lost = 0
    for decision in decisions:
        try:
            found = await moat.get_decision(decision.decision_id)
            lost += found.decision.trace_id != decision.trace_id
        except MoatError:
            lost += 1
    return [f"{lost} decisions are not in the record"] if lost else []


async def _traced(page: str, decisions: Sequence[Decision]) -> str | None:
    """A decision whose trace reaches from this client to Triton. Spans arrive within seconds, in batches."""
    deadline = time.monotonic() + _TRACE_SECONDS
    while time.monotonic() < deadline:
        for decision in decisions:
            if await asyncio.to_thread(_services, page, decision.decision_id) >= _EXPECTED_SERVICES:
                return decision.decision_id
        await asyncio.sleep(1)
    return None


def _services(page: str, decision_id: str) -> set[str]:
    """Whose spans the decision's trace holds so far."""
    try:
        with urllib.request.urlopen(f"{page}/api/decisions/{decision_id}", timeout=5) as answer:  # noqa: S310 - http, ours
            return {span["service"] for span in json.load(answer)["spans"]}
    except urllib.error.HTTPError:
        return set()


if __name__ == "__main__":
    sys.exit(main())
