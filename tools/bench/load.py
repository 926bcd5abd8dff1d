"""Two ways to ask: closed (as many callers as given, each waits for its answer) and open (a schedule that waits for
nobody, as real users do)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

Ask = Callable[[str], Awaitable[object]]
"""Moderates one line; raises when it was refused or failed."""


@dataclass(slots=True)
class Load:
    """What became of the requests of one run."""

    latencies: list[float] = field(default_factory=list)
    """Seconds, of those that were answered in the measured time."""
    failed: int = 0
    elapsed: float = 0.0


async def closed_loop(
    ask: Ask, lines: Iterator[str], *, callers: int, seconds: float, warm_seconds: float = 2.0
) -> Load:
    """Runs `callers` callers for `warm_seconds` unmeasured and `seconds` measured."""
    load = Load()
    begin = time.perf_counter() + warm_seconds
    end = begin + seconds

    async def caller() -> None:
        while (asked := time.perf_counter()) < end:
            try:
                await ask(next(lines))
            except Exception:  # noqa: BLE001 - a failure of any kind is counted, and shows in the report
                load.failed += 1
                await asyncio.sleep(0.01)
                continue
            answered = time.perf_counter()
            if begin <= answered <= end:
                load.latencies.append(answered - asked)

    await asyncio.gather(*(caller() for _ in range(callers)))
    load.elapsed = seconds
    return load


async def open_loop(
    ask: Ask, lines: Iterator[str], *, per_second: float, seconds: float, warm_seconds: float = 2.0
) -> Load:
    """Asks on a fixed schedule. Latency counts from the scheduled time, so that a stall is not hidden by asking less
    (coordinated omission)."""
    load = Load()
    started = time.perf_counter()
    begin = started + warm_seconds
    running: set[asyncio.Task[None]] = set()

    async def one(scheduled: float) -> None:
        try:
            await ask(next(lines))
        except Exception:  # noqa: BLE001 - see above
            load.failed += scheduled >= begin
            return
        if scheduled >= begin:
            load.latencies.append(time.perf_counter() - scheduled)

    for number in range(int(per_second * (warm_seconds + seconds))):
        scheduled = started + number / per_second
        wait = scheduled - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(scheduled))
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running, timeout=10)
    load.elapsed = seconds
    return load
