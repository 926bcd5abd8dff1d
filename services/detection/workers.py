"""Worker processes that decode what strangers send, and the line in front of them. What runs in them is `worker`."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from moat_client.coalescer import Coalescer, Pending
from prometheus_client import Counter

from services.detection.worker import LENGTH, Fields, Refused, unpack
from services.runtime.errors import InvalidRequest, OutOfTime
from services.runtime.fair_line import FairLine
from services.runtime.logs import log
from services.runtime.metrics import BatchMetrics

WORKERS_ENDED = Counter("detection_decoders_ended_total", "Decoders that a picture or a clip ended.", ["of", "why"])
_TRIES = 2
"""Once more when a worker crashed: it may have been ended by somebody else, for want of memory, say."""
_LONGEST_ANSWER = 1 << 23
_PATIENCE = 4
"""How many times as long as a piece of work may compute it may take in all, on a machine that has other things to do."""
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""A worker is one thread; numpy must not start a pool of its own beside it."""

FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class Trade:
    """What the workers take, in the words of their refusals."""

    name: str
    """`picture`."""
    field: str
    """What a refusal is about: `content.image.data`."""
    damaged: str
    """The reason that a file has which ends its worker: `IMAGE_DAMAGED`."""
    too_slow: str
    """The reason of one that computes too long: `IMAGE_TOO_SLOW`."""
    whole: str
    """What to do about the first: `send a whole file that opens elsewhere`."""
    plainer: str
    """And about the second: `send a plainer or smaller copy`."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A piece of work as it came."""

    data: bytes
    tenant: str = ""
    """Whose it is: tenants take turns when there is too much."""


@dataclass(frozen=True, slots=True)
class Unpacked(Generic[FoundT]):
    """What was decoded, and how long that took."""

    decoded: FoundT
    asked: float
    """`time.perf_counter` when a worker got it."""
    seconds: float


class Workers(Generic[FoundT]):
    """Decode apart from the event loop. Belong to one."""

    def __init__(
        self,
        trade: Trade,
        command: Sequence[str],
        found: Callable[[Fields], FoundT],
        *,
        workers: int,
        queue: int,
        cpu_seconds: float,
        metrics: str = "decode",
    ) -> None:
        """At most `queue` pieces of work wait, and one may compute for `cpu_seconds`: `command` starts a worker that holds itself
        to that, and `found` makes sense of its answers. The line goes by `metrics` among the coalescers."""
        self._found = found
        self._trade = trade
        self._idle = [_Worker(command, trade, cpu_seconds) for _ in range(workers)]
        self._workers = tuple(self._idle)
        self._coalescer: Coalescer[Encoded, Unpacked[FoundT]] = Coalescer(
            self._send,
            slots=workers,
            max_batch=1,
            max_queue=queue,
            observe=BatchMetrics(metrics),
            line=FairLine(tenant=lambda encoded: encoded.tenant),
        )

    async def start(self) -> None:
        """Starts the workers, so that the first piece of work waits for none. They also start by themselves."""
        for worker in self._workers:
            await worker.start()

    def ask(self, encoded: Encoded, *, deadline: float | None) -> asyncio.Future[Unpacked[FoundT]]:
        """The future fails with InvalidRequest for what is refused, with OutOfTime when the machine is too busy, or as a
        coalescer's does. Raises QueueFull."""
        return self._coalescer.submit(encoded, deadline=deadline)

    async def close(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            await worker.end()

    async def _send(self, batch: Sequence[Pending[Encoded, Unpacked[FoundT]]]) -> None:
        (pending,) = batch
        worker = self._idle.pop()
        asked = time.perf_counter()
        try:
            answer = await worker.decode(pending.item.data)
        finally:
            self._idle.append(worker)
        if isinstance(answer, Refused):
            raise InvalidRequest.field(answer.field or self._trade.field, answer.message, reason=answer.reason)
        pending.resolve(Unpacked(self._found(answer), asked, time.perf_counter() - asked))


class _Crashed(Exception):
    """The process ended without an answer."""


class _Worker:
    """One process, started again when a piece of work ended it. One at a time."""

    def __init__(self, command: Sequence[str], trade: Trade, cpu_seconds: float) -> None:
        self._command = command
        self._trade = trade
        self._cpu_seconds = cpu_seconds
        self._process: Process | None = None

    async def start(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, env={**os.environ, **_ONE_THREAD}
            )
        return self._process

    async def decode(self, data: bytes) -> Fields | Refused:
        """Raises OutOfTime."""
        for _ in range(_TRIES):
            with suppress(_Crashed):
                return await self._try(data)
        return Refused(self._trade.damaged, f"cannot be decoded safely; {self._trade.whole}")

    async def _try(self, data: bytes) -> Fields | Refused:
        process = await self.start()
        whole = False
        try:
            async with asyncio.timeout(self._cpu_seconds * _PATIENCE):
                answer = await _exchange(process, data)
            whole = True
        except TimeoutError:
            self._lost("out_of_time")
            raise OutOfTime(f"the {self._trade.name} was not decoded in time") from None
        except (EOFError, OSError):
            # Ended already or not: the first signal that a process gets is what it ended by.
            if await self.end() == -signal.SIGPROF:
                self._lost("too_slow")
                message = f"takes more than {self._cpu_seconds:g} s to decode; {self._trade.plainer}"
                return Refused(self._trade.too_slow, message)
            self._lost("crashed")
            raise _Crashed from None
        finally:
            if not whole:
                # Also when who asked has given up: an answer that nobody reads must not meet the next piece of work.
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

    def _lost(self, why: str) -> None:
        WORKERS_ENDED.labels(self._trade.name, why).inc()
        log.warning("decoder_ended", of=self._trade.name, why=why)


async def _exchange(process: Process, data: bytes) -> Fields | Refused:
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
    packed = await process.stdout.readexactly(length)
    try:
        return unpack(packed)
    except (TypeError, ValueError):
        raise EOFError from None
