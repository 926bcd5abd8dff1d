"""Decodes clips in worker processes, and finds in them where somebody speaks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgpack

from services.detection.sounds.decode import Clip, Spoken
from services.detection.sounds.wav import FIELD
from services.detection.worker import Fields
from services.detection.workers import Encoded, Trade, Unpacked, Workers

_TRADE = Trade(
    name="clip",
    field=FIELD,
    damaged="SOUND_DAMAGED",
    too_slow="SOUND_TOO_SLOW",
    whole="send a whole file that plays elsewhere",
    plainer="send it in shorter pieces",
)


class ClipDecoder(Workers[Clip]):
    """See `Workers`; refusals are about `content.audio.data`, or its media type."""

    def __init__(
        self,
        *,
        workers: int,
        queue: int,
        cpu_seconds: float,
        most_seconds: float,
        most_bytes: int,
        weights: Path,
        command: Sequence[str] = (sys.executable, "-m", "services.detection.sounds.worker"),
    ) -> None:
        """At most `queue` clips wait, each of at most `most_seconds`. `weights` are voice activity's."""
        arguments = (str(most_seconds), str(weights), str(cpu_seconds), str(most_bytes))
        super().__init__(
            _TRADE,
            [*command, *arguments],
            _clip,
            workers=workers,
            queue=queue,
            cpu_seconds=cpu_seconds,
            metrics="decode_sounds",
        )

    def ask_clip(
        self, data: bytes, media_type: str, *, tenant: str, deadline: float | None
    ) -> asyncio.Future[Unpacked[Clip]]:
        """See `ask`."""
        return self.ask(Encoded(msgpack.packb((media_type, data)), tenant), deadline=deadline)


def _clip(fields: Fields) -> Clip:
    duration, speech, rate, found, spoken = cast("list[Any]", fields)
    return Clip(duration, speech, rate, found, tuple(Spoken(*one) for one in spoken))
