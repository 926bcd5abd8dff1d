"""What is said in an utterance, by Whisper on Triton, and the line in front of it, which is bounded in seconds of sound."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import tritonclient.grpc.aio as triton
from moat_client.coalescer import Coalescer, Pending, QueueFull
from prometheus_client import Counter, Gauge
from tritonclient.utils import InferenceServerException

from services.detection.call_trace import header, trace_of
from services.runtime.clients import CHANNEL_OPTIONS
from services.runtime.errors import DependencyDown
from services.runtime.fair_line import FairLine
from services.runtime.metrics import BatchMetrics
from services.runtime.sound import RATE

MODEL, MODEL_VERSION = "speech_text", "1"
SHED = Counter("detection_speech_shed_seconds_total", "Seconds of speech that nobody listened to.", ["why"])
WAITING = Gauge("detection_speech_waiting_seconds", "Seconds of speech that wait to be listened to, or are being.")
_CALL_SECONDS = 5.0
"""What a call may take besides half of what it is about: ten times what is usual."""
_TENANT_SHARE = 0.5
"""How much of the line one tenant may fill, so that there is room for the next."""


@dataclass(frozen=True, slots=True)
class Question:
    """An utterance for the model."""

    samples: bytes
    """16-bit, 16 kHz, at most 30 s."""
    traceparent: str = ""
    tenant: str = ""
    """Whose it is: tenants take turns when there is too much."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / 2 / RATE


@dataclass(frozen=True, slots=True)
class Words:
    """What was heard, and how that came about."""

    text: str
    """Empty if nobody said anything, or if it could not be understood."""
    confidence: float
    asked: float
    """`time.perf_counter` when the call began."""
    seconds: float
    trace_id: bytes
    span_id: bytes
    """The span that Triton's own spans hang under."""


class Listener:
    """Asks Triton, an utterance at a time."""

    def __init__(self, address: str, *, slots: int, queue_seconds: float) -> None:
        """At most `queue_seconds` of speech wait or are being heard, and half of that of one tenant."""
        self._client = triton.InferenceServerClient(address, channel_args=list(CHANNEL_OPTIONS))
        self._most = queue_seconds
        self._waiting: Tally[str] = Tally()
        """Samples by tenant."""
        self._coalescer: Coalescer[Question, Words] = Coalescer(
            self._send,
            slots=slots,
            max_batch=1,
            observe=BatchMetrics("triton_speech"),
            line=FairLine(tenant=lambda question: question.tenant),
        )

    def ask(self, question: Question, *, deadline: float | None) -> asyncio.Future[Words]:
        """The future fails as a coalescer's do, or with DependencyDown. Raises QueueFull."""
        size = len(question.samples)
        own = self._waiting[question.tenant]
        # However long it is: where nothing waits there is room for it.
        if own and _seconds(own + size) > self._most * _TENANT_SHARE:
            raise QueueFull
        if self._waiting.total() and _seconds(self._waiting.total() + size) > self._most:
            raise QueueFull
        future = self._coalescer.submit(question, deadline=deadline)
        self._count(question.tenant, size)
        future.add_done_callback(partial(self._done, question.tenant, size))
        return future

    async def close(self) -> None:
        """Ends the connection."""
        await self._client.close()

    def _count(self, tenant: str, size: int) -> None:
        self._waiting[tenant] += size
        if not self._waiting[tenant]:
            del self._waiting[tenant]
        WAITING.set(_seconds(self._waiting.total()))

    def _done(self, tenant: str, size: int, _: asyncio.Future[Words]) -> None:
        self._count(tenant, -size)

    async def _send(self, batch: Sequence[Pending[Question, Words]]) -> None:
        (pending,) = batch
        question = pending.item
        samples = np.frombuffer(question.samples, dtype="<i2")
        asked_for = triton.InferInput("samples", [len(samples)], "INT16")
        asked_for.set_data_from_numpy(samples)
        trace_id, span_id = trace_of(question.traceparent)
        asked = time.perf_counter()
        try:
            result = await self._client.infer(
                MODEL,
                [asked_for],
                model_version=MODEL_VERSION,
                client_timeout=_CALL_SECONDS + question.seconds / 2,
                headers=header(trace_id, span_id),
            )
        except InferenceServerException as error:
            raise DependencyDown("the speech model cannot be reached", metadata={"peer": "triton"}) from error
        words, confidence = result.as_numpy("words"), result.as_numpy("confidence")
        if words is None or confidence is None:
            raise DependencyDown("the speech model answered without words", metadata={"peer": "triton"})
        seconds = time.perf_counter() - asked
        text = words[0].decode("utf-8", "replace")
        pending.resolve(Words(text, float(confidence[0]), asked, seconds, trace_id, span_id))


def _seconds(size: int) -> float:
    """Of so many bytes."""
    return size / 2 / RATE
