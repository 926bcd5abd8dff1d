"""The deep tier: texts cut into token windows here, inferred many at a time, a text's windows put together again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from moat_client.coalescer import Coalescer, Pending
from numpy.typing import NDArray

from services.detection.call_trace import trace_of
from services.detection.deep_line import DeepLine
from services.detection.deep_models import DeepModel
from services.detection.windows import Windows, padded
from services.runtime.metrics import BatchMetrics


@dataclass(frozen=True, slots=True)
class Question:
    """A line for the deep tier."""

    text: str
    traceparent: str = ""
    tenant: str = ""
    """Whose it is: tenants take turns when there is too much."""


@dataclass(frozen=True, slots=True)
class _Tokens:
    ids: list[int]
    padded: int
    traceparent: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Its probabilities, and how they came about."""

    probabilities: NDArray[np.float32]
    """[categories]: of a long text, the most that any of its windows has."""
    asked: float
    """`time.perf_counter` when the call began."""
    seconds: float
    batch_size: int
    trace_id: bytes
    span_id: bytes
    """The span that Triton's own spans hang under."""


class DeepTier:
    """Asks a model, a few lists at a time: one that it works on, and the next."""

    def __init__(self, model: DeepModel, windows: Windows, *, slots: int, batch: int, queue: int) -> None:
        """At most `slots` lists of `batch` windows at a time; `queue` windows may wait."""
        self._model = model
        self._windows = windows
        self._coalescer: Coalescer[_Tokens, Answer] = Coalescer(
            self._send,
            slots=slots,
            max_batch=batch,
            max_queue=queue,
            observe=BatchMetrics("triton"),
            line=DeepLine(windows.lengths, length=lambda tokens: tokens.padded, tenant=lambda tokens: tokens.tenant),
        )

    def ask(self, question: Question, *, deadline: float | None) -> asyncio.Future[Answer]:
        """The future of its answer, which fails as a coalescer's do, or with DependencyDown. Raises QueueFull."""
        (windows,) = self._windows.of([question.text])
        futures = [self._submit(ids, question, deadline) for ids in windows]
        return futures[0] if len(futures) == 1 else _gathered(futures)

    async def close(self) -> None:
        """Ends the connection."""
        await self._model.close()

    def _submit(self, ids: list[int], question: Question, deadline: float | None) -> asyncio.Future[Answer]:
        tokens = _Tokens(ids, self._windows.length(ids), question.traceparent, question.tenant)
        return self._coalescer.submit(tokens, deadline=deadline)

    async def _send(self, batch: Sequence[Pending[_Tokens, Answer]]) -> None:
        trace_id, span_id = trace_of(batch[0].item.traceparent)
        asked = time.perf_counter()
        ids = padded([pending.item.ids for pending in batch], batch[0].item.padded)
        rows = await self._model.run(ids, f"00-{trace_id.hex()}-{span_id.hex()}-01")
        seconds = time.perf_counter() - asked
        for pending, row in zip(batch, rows, strict=True):
            pending.resolve(Answer(row, asked, seconds, len(batch), trace_id, span_id))


def _gathered(futures: Sequence[asyncio.Future[Answer]]) -> asyncio.Future[Answer]:
    """Answered when all are, by the most that any says; failed as soon as one is."""
    whole: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    left = len(futures)

    def note(one: asyncio.Future[Answer]) -> None:
        nonlocal left
        left -= 1
        error = None if one.cancelled() else one.exception()
        if whole.done():
            return
        if error is not None:
            whole.set_exception(error)
        elif not left:
            answers = [future.result() for future in futures]
            most = np.stack([answer.probabilities for answer in answers]).max(axis=0)
            whole.set_result(replace(answers[-1], probabilities=most))

    for future in futures:
        future.add_done_callback(note)
    return whole
