"""Worker processes that decode, and the line in front of them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from moat_client.coalescer import Coalescer, Pending
from prometheus_client import Counter

from services.detection.images.decode import FIELD, Decoded, Refused
from services.detection.images.worker import LENGTH, unpack
from services.runtime.errors import InvalidRequest, OutOfTime
from services.runtime.fair_line import FairLine
from services.runtime.logs import log
from services.runtime.metrics import BatchMetrics

WORKERS_ENDED = Counter("detection_decoders_ended_total", "Decoders that a picture ended.", ["why"])
_TRIES = 2
"""Once more when a worker crashed: it may have been ended by somebody else, for want of memory, say."""
_LONGEST_ANSWER = 1 << 20
_PATIENCE = 4
"""How many times as long as a picture may compute it may take in all, on a machine that has other things to do."""


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
        cpu_seconds: float,
        most_pixels: int,
        most_bytes: int,
        command: Sequence[str] = (sys.executable, "-m", "services.detection.images.worker"),
    ) -> None:
        """At most `queue` pictures wait. A picture may compute for `cpu_seconds`, in `most_bytes` of address space."""
        arguments = (str(most_pixels), str(cpu_seconds), str(most_bytes))
        self._idle = [_Worker([*command, *arguments], cpu_seconds) for _ in range(workers)]
        self._workers = tuple(self._idle)
        self._coalescer: Coalescer[Encoded, Unpacked] = Coalescer(
            self._send,
            slots=workers,
            max_batch=1,
            max_queue=queue,
            observe=BatchMetrics("decode"),
            line=FairLine(tenant=lambda encoded: encoded.tenant),
        )

    async def start(self) -> None:
        """Starts the workers, so that the first picture waits for none. They also start by themselves."""
        for worker in self._workers:
            await worker.start()

    def ask(self, encoded: Encoded, *, deadline: float | None) -> asyncio.Future[Unpacked]:
        """The future fails with InvalidRequest for what is no picture, with OutOfTime when the machine is too busy, or as a
        coalescer's does. Raises QueueFull."""
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


class _Crashed(Exception):
    """The process ended without an answer."""


class _Worker:
    """One process, started again when a picture ended it. One picture at a time."""

    def __init__(self, command: Sequence[str], cpu_seconds: float) -> None:
        self._command = command
        self._cpu_seconds = cpu_seconds
        self._process: Process | None = None

    async def start(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE)
        return self._process

    async def decode(self, data: bytes) -> Decoded | Refused:
        """Raises OutOfTime."""
        for _ in range(_TRIES):
            with suppress(_Crashed):
                return await self._try(data)
        return Refused("IMAGE_DAMAGED", "cannot be decoded safely; send a whole file that opens elsewhere")

    async def _try(self, data: bytes) -> Decoded | Refused:
        process = await self.start()
        whole = False
        try:
            async with asyncio.timeout(self._cpu_seconds * _PATIENCE):
                answer = await _exchange(process, data)
            whole = True
        except TimeoutError:
            _lost("out_of_time")
            raise OutOfTime("the picture was not decoded in time") from None
        except (EOFError, OSError):
            # Ended already or not: the first signal that a process gets is what it ended by.
            if await self.end() == -signal.SIGPROF:
                _lost("too_slow")
                message = f"takes more than {self._cpu_seconds:g} s to decode; send a plainer or smaller copy"
                return Refused("IMAGE_TOO_SLOW", message)
            _lost("crashed")
            raise _Crashed from None
        finally:
            if not whole:
                # Also when who asked has given up: an answer that nobody reads must not meet the next picture.
                await self.end()
        return answer

    async def end(self) -> int:
        """Returns what it ended by; 0 if there was none."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.returncode is None:
            process.kill()
        return await process.wait()


def _lost(why: str) -> None:
    WORKERS_ENDED.labels(why).inc()
    log.warning("decoder_ended", why=why)


async def _exchange(process: Process, data: bytes) -> Decoded | Refused:
    """Raises EOFError or OSError when the process ends meanwhile."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(LENGTH.pack(len(data)))
    process.stdin.write(data)
    await process.stdin.drain()
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    if length > _LONGEST_ANSWER:
        # No worker of ours says that; whoever has taken it over shall not have our memory too.
        raise EOFError
    return unpack(await process.stdout.readexactly(length))
