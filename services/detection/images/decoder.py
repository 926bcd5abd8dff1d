"""Decodes pictures in worker processes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, cast

from services.detection.images.decode import FIELD, WORDS, Decoded, Sheet
from services.detection.images.pdq import Pdq
from services.detection.worker import Fields
from services.detection.workers import Trade, Workers

_TRADE = Trade(
    name="picture",
    field=FIELD,
    damaged="IMAGE_DAMAGED",
    too_slow="IMAGE_TOO_SLOW",
    whole="send a whole file that opens elsewhere",
    plainer="send a plainer or smaller copy",
)


class Decoder(Workers[Decoded]):
    """See `Workers`; refusals are about `content.image.data`."""

    def __init__(
        self,
        *,
        workers: int,
        queue: int,
        cpu_seconds: float,
        most_pixels: int,
        most_bytes: int,
        words: bool = False,
        command: Sequence[str] = (sys.executable, "-m", "services.detection.images.worker"),
    ) -> None:
        """At most `queue` pictures wait. A picture may compute for `cpu_seconds`, in `most_bytes` of address space. With
        `words`, what they are read in comes too."""
        arguments = (str(most_pixels), str(cpu_seconds), str(most_bytes), *([WORDS] if words else []))
        super().__init__(
            _TRADE, [*command, *arguments], _decoded, workers=workers, queue=queue, cpu_seconds=cpu_seconds
        )


def _decoded(fields: Fields) -> Decoded:
    pdq, width, height, kind, pixels, *sheets = cast("list[Any]", fields)
    return Decoded(
        Pdq(*pdq), width, height, kind, pixels, *(None if sheet is None else Sheet(*sheet) for sheet in sheets)
    )
