"""Sends lines as their authors would, some at a time, and gathers what was decided."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from moat_client import Decision, Moat, MoatError

from tools.bench.stats import percentile

_AT_ONCE = 8
_WIDTH = 60
Line = dict[str, object]


@dataclass(frozen=True, slots=True)
class Played:
    """One line and its answer."""

    line: Line
    answer: Decision | MoatError
    seconds: float


def read_lines(path: Path) -> list[Line]:
    """Raises OSError, or ValueError that names the line."""
    lines: list[Line] = []
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8: {error}") from None
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        try:
            line = json.loads(row)
            lines.append(
                {
                    "user": line["user"],
                    "text": line["text"],
                    "channel": line.get("channel", ""),
                    "to": line.get("to", []),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}:{number}: not a line of {{user, text, channel?, to?}}: {error}") from None
    return lines


async def play(moat: Moat, lines: Sequence[Line], *, tell: Callable[[str], object], pause: float = 0.0) -> list[Played]:
    """Each author's lines in order; different authors at once. `pause` in seconds between lines."""
    played: list[Played | None] = [None] * len(lines)
    turns = asyncio.Semaphore(_AT_ONCE)
    voices: dict[object, asyncio.Lock] = {}

    async def say(position: int, line: Line) -> None:
        async with voices.setdefault(line["user"], asyncio.Lock()), turns:
            began = time.perf_counter()
            to = [str(one) for one in line["to"]] if isinstance(line["to"], list) else [str(line["to"])]
            try:
                answer: Decision | MoatError = await moat.moderate(
                    str(line["text"]), user_id=str(line["user"]), channel_id=str(line["channel"]), target_user_ids=to
                )
            except MoatError as error:
                answer = error
            played[position] = Played(line, answer, time.perf_counter() - began)
            tell(_told(line, answer))

    tasks = []
    for position, line in enumerate(lines):
        tasks.append(asyncio.create_task(say(position, line)))
        await asyncio.sleep(pause)
    await asyncio.gather(*tasks)
    return [one for one in played if one is not None]


def summary(played: Sequence[Played]) -> str:
    """Counts by outcome, action and category, and latency."""
    decisions = [one.answer for one in played if isinstance(one.answer, Decision)]
    errors = Counter(one.answer.reason for one in played if isinstance(one.answer, MoatError))
    seconds = sorted(one.seconds for one in played)
    counts = {
        "outcomes": Counter(decision.outcome for decision in decisions),
        "actions": Counter(f"{action.kind} {action.state}" for decision in decisions for action in decision.actions),
        "categories": Counter(decision.category for decision in decisions if decision.category),
        "degraded": Counter(name for decision in decisions for name in decision.degraded),
        "errors": errors,
    }
    rows = [f"\n{len(played)} lines"]
    rows += [
        f"{name:11} " + ", ".join(f"{key} {n}" for key, n in found.most_common())
        for name, found in counts.items()
        if found
    ]
    marks = ", ".join(
        f"p{share:.0%} {percentile(seconds, share) * 1000:.1f} ms".replace("%", "") for share in (0.5, 0.95, 0.99)
    )
    return "\n".join([*rows, f"latency     {marks}"]) + "\n"


def _told(line: Line, answer: Decision | MoatError) -> str:
    text = str(line["text"]).replace("\n", " ")
    shown = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
    if isinstance(answer, MoatError):
        return f"{'ERROR':5} {answer.reason:22} {line['user']!s:10} {shown}\n"
    actions = " ".join(action.kind for action in answer.actions)
    return f"{answer.outcome:5} {answer.category:22} {line['user']!s:10} {shown}  {actions}\n"
