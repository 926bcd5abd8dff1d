"""Worker processes that decode, and the line in front of them."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass

from moat_client.coalescer import Coalescer, Pending
from prometheus_client import Counter

from services.detection.deep_line import DeepLine
from services.detection.images.decode import FIELD, Decoded, Refused
from services.detection.images.worker import LENGTH, unpack
from services.runtime.errors import InvalidRequest
from services.runtime.logs import log
from services.runtime.metrics import BatchMetrics

WORKERS_ENDED = Counter("detection_decoders_ended_total", "Decoders that a picture ended.", ["why"])
_LAST_WORD_SECONDS = 2.0
"""A worker that lost whoever asked it ends itself after this much more than a picture may take."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture as it came."""

    data: bytes
    tenant: str = ""
    """Whose it is: tenants take turns when there is too much."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A picture that was decoded, and how long that took."""

    decoded: Decoded
    asked: float
    """`time.perf_counter` when a worker got it."""
    seconds: float


class Decoder:
    """Decodes apart from the event loop. Belongs to one."""

    def __init__(
        self,
        *,
        workers: int,
        queue: int,
        seconds: float,
        most_pixels: int,
        most_bytes: int,
        command: Sequence[str] = (sys.executable, "-m", "services.detection.images.worker"),
    ) -> None:
        """At most `queue` pictures wait. A picture may take `seconds`, its worker `most_bytes` of address space."""
        arguments = (str(most_pixels), str(seconds + _LAST_WORD_SECONDS), str(most_bytes))
        self._idle = [_Worker([*command, *arguments], seconds) for _ in range(workers)]
        self._workers = tuple(self._idle)
        self._coalescer: Coalescer[Encoded, Unpacked] = Coalescer(
            self._send,
            slots=workers,
            max_batch=1,
            max_queue=queue,
            observe=BatchMetrics("decode"),
            line=DeepLine((1,), length=lambda _: 1, tenant=lambda encoded: encoded.tenant),
        )

    async def start(self) -> None:
        """Starts the workers, so that the first picture waits for none. They also start by themselves."""
        for worker in self._workers:
            await worker.start()

    def ask(self, encoded: Encoded, *, deadline: float | None) -> asyncio.Future[Unpacked]:
        """The future fails with InvalidRequest for what is no picture, or as a coalescer's does. Raises QueueFull."""
        return self._coalescer.submit(encoded, deadline=deadline)

    async def close(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            await worker.end()

    async def _send(self, batch: Sequence[Pending[Encoded, Unpacked]]) -> None:
        (pending,) = batch
        worker = self._idle.pop()
        asked = time.perf_counter()
        try:
            answer = await worker.decode(pending.item.data)
        finally:
            self._idle.append(worker)
        if isinstance(answer, Refused):
            raise InvalidRequest.field(FIELD, answer.message, reason=answer.reason)
        pending.resolve(Unpacked(answer, asked, time.perf_counter() - asked))


class _Worker:
    """One process, started again when a picture ended it. One picture at a time."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        self._command = command
        self._seconds = seconds
        self._process: Process | None = None

    async def start(self) -> Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE)
        return self._process

    async def decode(self, data: bytes) -> Decoded | Refused:
        process = await self.start()
        whole = False
        try:
            async with asyncio.timeout(self._seconds):
                answer = await _exchange(process, data)
            whole = True
        except TimeoutError:
            message = f"takes longer than {self._seconds:g} s to decode; send a plainer or smaller copy"
            return self._lost("too_slow", Refused("IMAGE_TOO_SLOW", message))
        except (EOFError, OSError):
            message = "cannot be decoded safely; send a whole file that opens elsewhere"
            return self._lost("crashed", Refused("IMAGE_DAMAGED", message))
        finally:
            if not whole:
                # Also when who asked has given up: an answer that nobody reads must not meet the next picture.
                await self.end()
        return answer

    async def end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            if process.returncode is None:
                process.kill()
            await process.wait()

    def _lost(self, why: str, refused: Refused) -> Refused:
        WORKERS_ENDED.labels(why).inc()
        log.warning("decoder_ended", why=why)
        return refused


async def _exchange(process: Process, data: bytes) -> Decoded | Refused:
    """Raises EOFError or OSError when the process ends meanwhile."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(LENGTH.pack(len(data)))
    process.stdin.write(data)
    await process.stdin.drain()
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    return unpack(await process.stdout.readexactly(length))
