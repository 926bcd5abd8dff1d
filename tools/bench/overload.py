"""A greedy tenant asks for far more than there is, in an open loop; quiet ones go on as ever.

Its lists are made beforehand and sent as bytes over raw streams: on a machine that also runs the mesh, a load generator
that thinks would be the first to give up.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_service_pb2

from tools.bench.asking import CHANNELS, different, quiet_tenants
from tools.bench.meshes import RunningMesh
from tools.bench.stats import Result

QUIET = ("arena", "harbor")
_QUIET_RATE = 20.0
_LIST, _LISTS, _STREAMS = 64, 100, 8
_TURN = "turn##"
"""Stands in each id for the number that makes it new; of the same length, so that lists stay well-formed bytes."""
_METHOD = "/moat.moderation.v1.ModerationService/StreamModerate"


@dataclass(frozen=True, slots=True)
class Overload:
    """What became of it."""

    offered_per_s: float
    """What the greedy tenant's schedule asked for."""
    sent_per_s: float
    """What the mesh took off its hands; the rest was held back by flow control."""
    goodput_per_s: float
    """Decisions, of all tenants."""
    refused_per_s: float
    quiet: Result
    quiet_alone: Result
    """The same quiet tenants beside a greedy one at half of what there is."""
    quiet_refused: int


@dataclass(slots=True)
class _Counts:
    sent: int = 0
    decided: int = 0
    refused: int = 0


async def overload(mesh: RunningMesh, *, peak_per_s: float, times: float, seconds: float) -> Overload:
    """`peak_per_s` is what the mesh does at most; the greedy tenant asks for `times` that."""
    offered = peak_per_s * times
    warm, settle = 2.0, 1.0
    _, quiet_alone, refused_alone = await _beside(mesh, peak_per_s / 2, seconds, warm)
    await asyncio.sleep(settle)
    counts, quiet, refused = await _beside(mesh, offered, seconds, warm)
    return Overload(
        offered_per_s=offered,
        sent_per_s=counts.sent / seconds,
        goodput_per_s=counts.decided / seconds + quiet.per_s,
        refused_per_s=counts.refused / seconds,
        quiet=quiet,
        quiet_alone=quiet_alone,
        quiet_refused=refused + refused_alone,
    )


async def _beside(mesh: RunningMesh, greedy_rate: float, seconds: float, warm: float) -> tuple[_Counts, Result, int]:
    """The quiet tenants' measured time is the greedy one's too."""
    stop = asyncio.Event()
    counts = _Counts()
    begin = time.perf_counter() + warm
    greedy = [
        asyncio.create_task(_greedy(mesh, greedy_rate / _STREAMS, stop, counts, begin, begin + seconds, number))
        for number in range(_STREAMS)
    ]
    quiet, refused = await quiet_tenants(mesh, QUIET, per_second=_QUIET_RATE, seconds=seconds)
    stop.set()
    await asyncio.gather(*greedy)
    return counts, quiet, refused


async def _greedy(
    mesh: RunningMesh, rate: float, stop: asyncio.Event, counts: _Counts, begin: float, end: float, number: int
) -> None:
    lists = _prepared(number)
    credentials = grpc.ssl_channel_credentials(mesh.topology.edge.ca_file.read_bytes())
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"localhost:{mesh.topology.edge.port}", credentials, options) as channel:
        method = channel.stream_stream(_METHOD, None, moderation_service_pb2.StreamModerateResponse.FromString)
        call = method(None, metadata=(("authorization", f"Bearer {mesh.mesh.token(tenant='demo')}"),))

        async def send() -> None:
            started = time.perf_counter()
            sent = 0
            while not stop.is_set():
                wait = started + sent * _LIST / rate - time.perf_counter()
                if wait > 0:
                    await asyncio.sleep(wait)
                await call.write(next(lists))
                sent += 1
                counts.sent += _LIST * (begin <= time.perf_counter() <= end)

        async def read() -> None:
            async for response in call:
                measured = begin <= time.perf_counter() <= end
                for result in response.results:
                    counts.refused += measured and result.HasField("error")
                    counts.decided += measured and result.HasField("decision")

        tasks = [asyncio.create_task(send()), asyncio.create_task(read())]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        call.cancel()


def _prepared(number: int) -> Iterator[bytes]:
    """Endless lists: the same again and again, each time under request ids that were never seen."""
    wires = []
    texts = enumerate(different(100 + number, _LIST * _LISTS))
    for _ in range(_LISTS):
        request = moderation_service_pb2.StreamModerateRequest()
        for index, text in itertools.islice(texts, _LIST):
            request.items.add(
                request_id=f"{_TURN}-{number}-{index}",
                user_id=f"g{number}-{index}",
                channel_id=f"g{index % CHANNELS}",
                surface="chat",
                content=content_pb2.Content(text=content_pb2.TextContent(text=text)),
            )
        wires.append(request.SerializeToString())
    for turn in itertools.count():
        for wire in wires:
            yield wire.replace(_TURN.encode(), f"{turn:06d}".encode())
