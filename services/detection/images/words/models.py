"""The two models on Triton: one says where letters may be, the other reads them. A picture a call: each has a size of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import tritonclient.grpc.aio as triton
from moat_client.coalescer import Coalescer, Pending
from numpy.typing import NDArray
from prometheus_client import Counter
from tritonclient.utils import InferenceServerException

from services.detection.images.decode import Sheet
from services.detection.images.words.areas import Area
from services.detection.images.words.lines import ReadLine
from services.runtime.clients import CHANNEL_OPTIONS
from services.runtime.errors import DependencyDown
from services.runtime.fair_line import FairLine
from services.runtime.metrics import BatchMetrics

FINDER, READER, VERSION = "image_text_find", "image_text", "1"
LINES_LEFT = Counter("detection_image_lines_left_total", "Lines in pictures that were found and not read.")
_SLACK_SECONDS = 2.0
"""What a call may take beyond what reading may: a picture, and a machine that has other things to do."""
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Look:
    """A picture for one of the models."""

    sheet: Sheet
    areas: tuple[Area, ...] = ()
    """Where words are read, in the sheet's pixels."""
    traceparent: str = ""
    tenant: str = ""
    """Whose it is: tenants take turns when there is too much."""
    deadline: float | None = None
    """By when it must have been answered, on `time.monotonic`'s clock."""


@dataclass(frozen=True, slots=True)
class Told(Generic[AnswerT]):
    """A model's answer, and how long it took."""

    answer: AnswerT
    asked: float
    """`time.perf_counter` when the call began."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Lines:
    """What was read, in reading order."""

    lines: tuple[ReadLine, ...]
    left: int
    """How many more were found and not read."""


class TextModel(Generic[AnswerT]):
    """One model and the line in front of it. Belongs to one event loop."""

    def __init__(
        self,
        client: triton.InferenceServerClient,
        model: str,
        inputs: Callable[[Look], Sequence[triton.InferInput]],
        answer: Callable[[triton.InferResult, Look], AnswerT],
        *,
        queue: int,
        seconds: float,
    ) -> None:
        """At most `queue` pictures wait, and a call takes at most `seconds`."""
        self._client = client
        self._model = model
        self._inputs = inputs
        self._answer = answer
        self._seconds = seconds
        self._coalescer: Coalescer[Look, Told[AnswerT]] = Coalescer(
            self._send,
            slots=1,
            max_batch=1,
            max_queue=queue,
            observe=BatchMetrics(model),
            line=FairLine(tenant=lambda look: look.tenant),
        )

    def ask(self, look: Look) -> asyncio.Future[Told[AnswerT]]:
        """The future fails as a coalescer's do, or with DependencyDown. Raises QueueFull."""
        return self._coalescer.submit(look, deadline=look.deadline)

    async def _send(self, batch: Sequence[Pending[Look, Told[AnswerT]]]) -> None:
        (pending,) = batch
        asked = time.perf_counter()
        try:
            result = await self._client.infer(
                self._model,
                list(self._inputs(pending.item)),
                model_version=VERSION,
                client_timeout=self._seconds,
                headers={"traceparent": pending.item.traceparent} if pending.item.traceparent else None,
            )
            answer = self._answer(result, pending.item)
        except (InferenceServerException, TypeError, ValueError) as error:
            # What a model answers has been in a stranger's hands: it may be of any shape.
            message = "the words in the picture could not be read"
            raise DependencyDown(message, metadata={"peer": "triton"}) from error
        pending.resolve(Told(answer, asked, time.perf_counter() - asked))


class TextModels:
    """Both."""

    def __init__(self, address: str, *, finder_queue: int, reader_queue: int, seconds: float) -> None:
        """Triton's gRPC address; how many pictures may wait for either; how long lines of a picture are read."""
        self._client = triton.InferenceServerClient(address, channel_args=list(CHANNEL_OPTIONS))
        self.finder: TextModel[NDArray[np.float32]] = TextModel(
            self._client, FINDER, _picture, _likely, queue=finder_queue, seconds=_SLACK_SECONDS
        )
        self.reader: TextModel[Lines] = TextModel(
            self._client,
            READER,
            lambda look: [*_picture(look), *_bounds(look, seconds)],
            _lines,
            queue=reader_queue,
            seconds=seconds + _SLACK_SECONDS,
        )

    async def close(self) -> None:
        """Ends the connection."""
        await self._client.close()


def _picture(look: Look) -> list[triton.InferInput]:
    sheet = look.sheet
    shape = (sheet.height, sheet.width, 3)
    picture = triton.InferInput("picture", list(shape), "UINT8")
    picture.set_data_from_numpy(np.frombuffer(sheet.pixels, dtype=np.uint8).reshape(shape))
    return [picture]


def _bounds(look: Look, seconds: float) -> list[triton.InferInput]:
    areas = triton.InferInput("areas", [len(look.areas), 4], "INT32")
    areas.set_data_from_numpy(np.array(look.areas, dtype=np.int32))
    left = seconds if look.deadline is None else min(seconds, look.deadline - time.monotonic())
    until = triton.InferInput("milliseconds", [1], "INT32")
    until.set_data_from_numpy(np.array([max(0, int(left * 1000))], dtype=np.int32))
    return [areas, until]


def _likely(result: triton.InferResult, _: Look) -> NDArray[np.float32]:
    """Raises TypeError or ValueError."""
    likely: NDArray[np.float32] = np.asarray(result.as_numpy("words"), dtype=np.float32)
    rows, columns = likely.shape
    return likely.reshape(rows, columns)


def _lines(result: triton.InferResult, look: Look) -> Lines:
    """Raises TypeError or ValueError."""
    size = np.array([look.sheet.width, look.sheet.height] * 2, dtype=np.float32)
    shares = np.clip(np.asarray(result.as_numpy("boxes"), dtype=np.float32).reshape(-1, 4) / size, 0, 1)
    words = [bytes(line).decode() for line in result.as_numpy("lines")]
    sure = np.asarray(result.as_numpy("confidences"), dtype=np.float32)
    unread = int(result.as_numpy("left")[0])
    LINES_LEFT.inc(unread)
    read = (
        ReadLine(line, float(left), float(top), float(right), float(bottom), confidence=float(confidence))
        for line, (left, top, right, bottom), confidence in zip(words, shares, np.clip(sure, 0, 1), strict=True)
    )
    return Lines(tuple(read), unread)
