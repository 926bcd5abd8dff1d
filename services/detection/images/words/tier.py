"""The words of a picture: looked for, read where there may be some, and put through the text path."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

from moat.detection.v1 import signals_pb2
from moat_client.coalescer import DeadlinePassed, NotAnswered, QueueFull
from prometheus_client import Counter

from services.detection.exact_cache import CachingScorer
from services.detection.images.cache import Owner
from services.detection.images.decode import Decoded
from services.detection.images.words.areas import areas_of
from services.detection.images.words.kept import KeptWords
from services.detection.images.words.lines import Found, joined
from services.detection.images.words.models import READER, VERSION, AnswerT, Look, TextModel, TextModels, Told
from services.detection.scorer import Line
from services.runtime.errors import MoatError
from services.runtime.logs import log

PART = "image_text"
"""What is missing, in signals and policies, when words were not read."""
PICTURES = Counter("detection_image_text_pictures_total", "Pictures by what became of the words in them.", ["how"])
_SMALLEST = 8
"""Pixels of a picture's shorter side: no letters are found in less."""
_MARGIN_SECONDS = 0.15
"""How long before a picture's deadline reading gives up: what else was found has to be told, and words take the text path."""


@dataclass(slots=True)
class Read:
    """What became of a picture's words."""

    how: str
    """`always` (the reader was asked), `no_text`, `decided` (the same bytes were read before), or why they were not read, or
    not to the end: `truncated`, `out_of_time`, `shed`, `unavailable`."""
    found: Found | None = None
    calls: list[tuple[str, float, float]] = field(default_factory=list)
    """Calls of models: name, `time.perf_counter` when it began, seconds."""


class WordsTier:
    """Finder, reader, text path, and what is kept of pictures that came before."""

    def __init__(self, models: TextModels, scorer: CachingScorer, kept: KeptWords) -> None:
        """`scorer` is the same that typed lines are scored by."""
        self._models = models
        self._scorer = scorer
        self._kept = kept

    def kept(self, owner: Owner, sha256: bytes) -> Read | None:
        """What the same bytes said, if they were read before."""
        found = self._kept.find(owner, sha256, time.monotonic())
        return None if found is None else Read("decided", found)

    async def read(self, owner: Owner, sha256: bytes, decoded: Decoded, line: Line) -> Read:
        """Never raises a MoatError. `line` says whose picture it is, and until when."""
        read = Read("unavailable")
        try:
            read.how, read.found = await self._read(decoded, line, read)
        except QueueFull:
            # Before anything else is refused, words are not read.
            read.how = "shed"
        except (DeadlinePassed, TimeoutError):
            read.how = "out_of_time"
        except (MoatError, NotAnswered) as error:
            log.info("image_text_missed", error=type(error).__name__)
        if read.found is not None:
            self._kept.keep(owner, sha256, read.found, time.monotonic())
        return read

    async def tell(self, signals: signals_pb2.Signals, read: Read, line: Line) -> signals_pb2.FoundWords | None:
        """Adds what was found to a picture's signals, the words gone through the text path. Returns the words."""
        PICTURES.labels(read.how).inc()
        signals.tiers.add(name=READER, version=VERSION, reason=read.how)
        if read.found is None or not read.found.whole:
            signals.degraded.append(PART)
        if read.found is None or not read.found.text:
            return None
        carried = signals_pb2.CarriedText(places=read.found.places, length=len(read.found.text))
        carried.signals.CopyFrom(await self._scored(read.found.text, line))
        signals.carried.CopyFrom(carried)
        return signals_pb2.FoundWords(text=read.found.text)

    async def _read(self, decoded: Decoded, line: Line, read: Read) -> tuple[str, Found]:
        sheet = decoded.read
        if sheet is None or min(sheet.width, sheet.height) < _SMALLEST:
            return "no_text", Found()
        searched = decoded.searched or sheet
        until = None if line.deadline is None else line.deadline - _MARGIN_SECONDS
        look = Look(searched, (), line.traceparent, line.tenant, until)
        areas = areas_of(await _asked(self._models.finder, look, "text_find", read))
        if not areas:
            return "no_text", Found()
        scale = sheet.width / searched.width
        look = replace(look, sheet=sheet, areas=tuple(area.scaled(scale) for area in areas))
        lines = await _asked(self._models.reader, look, "text_read", read)
        found = joined(lines.lines, whole=not lines.left)
        return "always" if found.whole else "truncated", found

    async def _scored(self, text: str, line: Line) -> signals_pb2.Signals:
        words = replace(line, text=text)
        signals = signals_pb2.Signals()
        async for part in self._scorer.score([words]):
            for scored in part:
                signals = scored.signals
        return signals


async def _asked(model: TextModel[AnswerT], look: Look, name: str, read: Read) -> AnswerT:
    """Raises as a coalescer's futures do, DependencyDown, QueueFull, TimeoutError."""
    async with asyncio.timeout(None if look.deadline is None else look.deadline - time.monotonic()):
        told: Told[AnswerT] = await model.ask(look)
    read.calls.append((name, told.asked, told.seconds))
    return told.answer
