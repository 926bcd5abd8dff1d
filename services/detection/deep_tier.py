"""The deep tier: tokenised here, inferred by Triton, many lines a call."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tritonclient.grpc.aio as triton
from moat_client.coalescer import Coalescer, Pending
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tritonclient.utils import InferenceServerException

from services.detection.deep_line import DeepLine
from services.runtime.clients import CHANNEL_OPTIONS
from services.runtime.errors import DependencyDown
from services.runtime.metrics import BatchMetrics

MODEL, MODEL_VERSION = "deep_text", "1"
_LENGTHS = (16, 32, 48)
"""Token counts that lines are padded to: requests of equal shape join one batch in Triton, short ones stay cheap."""
_CALL_SECONDS = 2.0


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
    """[categories]"""
    asked: float
    """`time.perf_counter` when the call began."""
    seconds: float
    batch_size: int
    trace_id: bytes
    span_id: bytes
    """The span that Triton's own spans hang under."""


class DeepTier:
    """Asks Triton, two lists at a time: one that it works on, and the next."""

    def __init__(self, address: str, folder: Path, *, slots: int, batch: int, queue: int) -> None:
        """`folder` holds the tokenizer."""
        self._client = triton.InferenceServerClient(address, channel_args=list(CHANNEL_OPTIONS))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_LENGTHS[-1])
        self._coalescer: Coalescer[_Tokens, Answer] = Coalescer(
            self._send,
            slots=slots,
            max_batch=batch,
            max_queue=queue,
            observe=BatchMetrics("triton"),
            line=DeepLine(_LENGTHS, length=lambda tokens: tokens.padded, tenant=lambda tokens: tokens.tenant),
        )

    def ask(self, question: Question, *, deadline: float | None) -> asyncio.Future[Answer]:
        """The future of its answer, which fails as a coalescer's do, or with DependencyDown. Raises QueueFull."""
        ids = self._tokenizer.encode(question.text).ids
        padded = next(length for length in _LENGTHS if len(ids) <= length)
        return self._coalescer.submit(_Tokens(ids, padded, question.traceparent, question.tenant), deadline=deadline)

    async def close(self) -> None:
        """Ends the connection."""
        await self._client.close()

    async def _send(self, batch: Sequence[Pending[_Tokens, Answer]]) -> None:
        ids = np.zeros((len(batch), batch[0].item.padded), dtype=np.int64)
        for row, pending in enumerate(batch):
            ids[row, : len(pending.item.ids)] = pending.item.ids
        inputs = []
        for name, values in (("input_ids", ids), ("attention_mask", (ids != 0).astype(np.int64))):
            inputs.append(triton.InferInput(name, list(values.shape), "INT64"))
            inputs[-1].set_data_from_numpy(values)
        trace_id, span_id = _trace_of(batch[0].item.traceparent)
        asked = time.perf_counter()
        try:
            result = await self._client.infer(
                MODEL,
                inputs,
                model_version=MODEL_VERSION,
                client_timeout=_CALL_SECONDS,
                headers={"traceparent": f"00-{trace_id.hex()}-{span_id.hex()}-01"},
            )
        except InferenceServerException as error:
            message = "the deep tier cannot be reached"
            raise DependencyDown(message, metadata={"peer": "triton"}) from error
        seconds = time.perf_counter() - asked
        rows = result.as_numpy("probabilities")
        if rows is None or rows.shape[0] != len(batch):
            message = "the deep tier answered without scores"
            raise DependencyDown(message, metadata={"peer": "triton"})
        for pending, row in zip(batch, rows, strict=True):
            pending.resolve(Answer(row, asked, seconds, len(batch), trace_id, span_id))


def _trace_of(traceparent: str) -> tuple[bytes, bytes]:
    """The call belongs to the trace of its first line; the other lines link to it."""
    parts = traceparent.split("-")
    trace_id = bytes.fromhex(parts[1]) if len(parts) == 4 else os.urandom(16)  # noqa: PLR2004 - W3C trace context
    return trace_id, os.urandom(8)
