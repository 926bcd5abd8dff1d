"""Detectors for tests: files written as their authors would, and one that says what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from services.detection.detectors.loading import Prepared, load
from services.detection.detectors.port import Answer, Asks, Card, Detector, Found, Kind, Opening, Place, Question
from services.detection.detectors.registry import DETECTORS

INSULT, THREAT = "harassment.insult", "violence.threat"
Say = Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]


class Scripted:
    """Says what `say` makes of the questions; remembers them."""

    def __init__(self, say: Say | None = None) -> None:
        """Without `say`: 0.9 for an insult where a text has `bad` in it, at once."""
        self.say = say or self._plain
        self.calls: list[list[Question]] = []
        self.closed = 0
        self.opened: list[Opening] = []
        self.detector = Detector(
            Card(
                name="scripted",
                summary="says what a test wants",
                version="1",
                kinds=frozenset(Kind),
                place=Place.IN_PROCESS,
                categories=frozenset((INSULT, THREAT)),
            ),
            self.open,
        )

    def open(self, opening: Opening) -> Asks:
        """Of the registry."""
        self.opened.append(opening)
        return self

    async def ask(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """See `Asks`."""
        self.calls.append(list(questions))
        return await self.say(questions)

    async def close(self) -> None:
        """See `Asks`."""
        self.closed += 1

    async def _plain(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return [Found({INSULT: 0.9 if "bad" in one.text else 0.1}) for one in questions]


async def silence(questions: Sequence[Question]) -> Sequence[Answer]:
    """Never comes back."""
    await asyncio.Event().wait()
    return []


def write(folder: Path, name: str, **fields: Any) -> Path:  # noqa: ANN401 - whatever a file may say
    """A detector's file, enabled and patient (a machine may be busy) unless `fields` say otherwise."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"name": name, "enabled": True, "deadline_ms": 30_000, **fields}))
    return path


def read(folder: Path, *scripted: Scripted) -> tuple[Prepared, ...]:
    """All files of a folder, with `scripted` in the registry beside the real ones; several are told apart by a number."""
    registry = dict(DETECTORS)
    for number, one in enumerate(scripted):
        registry["scripted" if number == 0 else f"scripted{number}"] = one.detector
    return load(registry, folder)


def text(content: str, tenant: str = "t", surface: str = "chat", environment: str = "production") -> Question:
    """A question about a line."""
    return Question(Kind.TEXT, content, tenant=tenant, environment=environment, surface=surface)
