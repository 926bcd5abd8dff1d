"""How likely a picture is not safe for work, by Yahoo's open_nsfw on Triton: many pictures a call when there are many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tritonclient.grpc.aio as triton
from moat_client.coalescer import Coalescer, Pending
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from services.detection.call_trace import header, trace_of
from services.detection.images.decode import MODEL_SIDE
from services.runtime.clients import CHANNEL_OPTIONS
from services.runtime.errors import DependencyDown
from services.runtime.fair_line import FairLine
from services.runtime.metrics import BatchMetrics

MODEL, MODEL_VERSION = "nsfw_image", "1"
CATEGORY = "sexual"
_MEAN = np.asarray((104, 117, 123), dtype=np.float32)
"""Of blue, green and red in what the network was trained on."""
_CALL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """A picture for the model."""

    pixels: bytes
    """[224, 224, 3] RGB."""
    traceparent: str = ""
    tenant: str = ""
    """Whose it is: tenants take turns when there is too much."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Its probability, and how it came about."""

    probability: float
    asked: float
    """`time.perf_counter` when the call began."""
    seconds: float
    batch_size: int
    trace_id: bytes
    span_id: bytes
    """The span that Triton's own spans hang under."""


class NsfwModel:
    """Asks Triton, one list at a time: what comes meanwhile makes the next."""

    def __init__(self, address: str, *, batch: int, queue: int) -> None:
        """At most `queue` pictures wait."""
        self._client = triton.InferenceServerClient(address, channel_args=list(CHANNEL_OPTIONS))
        self._coalescer: Coalescer[Look, Opinion] = Coalescer(
            self._send,
            slots=1,
            max_batch=batch,
            max_queue=queue,
            observe=BatchMetrics("triton_images"),
            line=FairLine(tenant=lambda look: look.tenant),
        )

    def ask(self, look: Look, *, deadline: float | None) -> asyncio.Future[Opinion]:
        """The future fails as a coalescer's do, or with DependencyDown. Raises QueueFull."""
        return self._coalescer.submit(look, deadline=deadline)

    async def close(self) -> None:
        """Ends the connection."""
        await self._client.close()

    async def _send(self, batch: Sequence[Pending[Look, Opinion]]) -> None:
        pixels = triton.InferInput("input:0", [len(batch), MODEL_SIDE, MODEL_SIDE, 3], "FP32")
        pixels.set_data_from_numpy(_prepared([pending.item.pixels for pending in batch]))
        trace_id, span_id = trace_of(batch[0].item.traceparent)
        asked = time.perf_counter()
        try:
            result = await self._client.infer(
                MODEL,
                [pixels],
                model_version=MODEL_VERSION,
                client_timeout=_CALL_SECONDS,
                headers=header(trace_id, span_id),
            )
        except InferenceServerException as error:
            message = "the image model cannot be reached"
            raise DependencyDown(message, metadata={"peer": "triton"}) from error
        seconds = time.perf_counter() - asked
        rows = result.as_numpy("outputs")
        if rows is None or rows.shape != (len(batch), 2):
            message = "the image model answered without scores"
            raise DependencyDown(message, metadata={"peer": "triton"})
        for pending, row in zip(batch, rows, strict=True):
            pending.resolve(Opinion(float(row[1]), asked, seconds, len(batch), trace_id, span_id))


def _prepared(pictures: Sequence[bytes]) -> NDArray[np.float32]:
    """[pictures, 224, 224, 3] blue, green and red, each less its mean."""
    rgb = np.frombuffer(b"".join(pictures), dtype=np.uint8).reshape(-1, MODEL_SIDE, MODEL_SIDE, 3)
    return rgb[..., ::-1] - _MEAN
