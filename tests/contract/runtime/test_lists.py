"""Streams of lists over real channels: parts as they are ready, one list's trouble no other's, nothing lost in a drain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import code_pb2
from moat.mesh.v1 import item_pb2
from moat.routing.v1 import routing_service_pb2 as pb
from moat.routing.v1 import routing_service_pb2_grpc as pb_grpc
from moat.routing.v1 import verdict_pb2

from services.runtime import validation
from services.runtime.clients import open_channel
from services.runtime.errors import DependencyDown, MoatError, OutOfTime, code_of
from services.runtime.lists.asking import ListCaller
from services.runtime.lists.serving import each_list
from services.runtime.server import Served, Server, ServerSettings

if TYPE_CHECKING:
    from pathlib import Path

METHOD = "/moat.routing.v1.RoutingService/DecideVerdicts"


class Decider(pb_grpc.RoutingServiceServicer):
    """Answers an item at once, unless its surface says otherwise: `late` waits for the gate, `forgotten` is not answered,
    `broken` ends its list with an error."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.lists: list[int] = []

    @each_list
    async def DecideVerdicts(  # noqa: N802 - the RPC's name
        self, request: pb.DecideVerdictsRequest, context: object
    ) -> AsyncIterator[pb.DecideVerdictsResponse]:
        self.lists.append(len(request.items))
        validation.check_list(request, "items")
        surfaces = [item.surface for item in request.items]
        if "broken" in surfaces:
            raise DependencyDown("no policy", reason="POLICY_DOWN")
        yield _decided(index for index, surface in enumerate(surfaces) if surface not in {"late", "forgotten"})
        if "late" in surfaces:
            await self.gate.wait()
            yield _decided(index for index, surface in enumerate(surfaces) if surface == "late")


def _decided(indexes: Any) -> pb.DecideVerdictsResponse:  # noqa: ANN401
    verdict = verdict_pb2.Verdict(outcome=verdict_pb2.OUTCOME_ALLOW)
    return pb.DecideVerdictsResponse(results=[pb.VerdictResult(index=index, verdict=verdict) for index in indexes])


class House:
    """A server, and a caller of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._address = "127.0.0.1:0"
        self.decider = Decider()

    async def start(self) -> None:
        settings = ServerSettings(
            address=self._address,
            ca_file=self._folder / "ca.pem",
            certificate_file=self._folder / "routing.pem",
            key_file=self._folder / "routing.key",
            trust_domain="moat.local",
            callers={"gateway": frozenset({"routing.decide"})},
            roles={},
            drain_seconds=20,
        )
        served = Served(
            pb.DESCRIPTOR.services_by_name["RoutingService"],
            partial(pb_grpc.add_RoutingServiceServicer_to_server, self.decider),
        )
        self.server = Server(settings, [served])
        self._address = f"127.0.0.1:{await self.server.start()}"

    def channel(self, me: str = "gateway") -> grpc.aio.Channel:
        return open_channel(
            self._address,
            server_name="routing.moat.local",
            ca_file=self._folder / "ca.pem",
            certificate_file=self._folder / f"{me}.pem",
            key_file=self._folder / f"{me}.key",
        )

    def caller(self, channel: grpc.aio.Channel, **options: Any) -> ListCaller:  # noqa: ANN401
        return ListCaller(pb_grpc.RoutingServiceStub(channel).DecideVerdicts, peer="routing", **options)


@pytest.fixture
async def house(certificates: Path) -> AsyncIterator[House]:
    house = House(certificates)
    await house.start()
    yield house
    house.decider.gate.set()
    await house.server.stop()


@pytest.fixture
async def channel(house: House) -> AsyncIterator[grpc.aio.Channel]:
    async with house.channel() as channel:
        yield channel


async def ask(caller: ListCaller, *surfaces: str, timeout: float = 10.0) -> list[list[int]]:  # noqa: ASYNC109
    """The indexes of each part of the answer."""
    context = item_pb2.ItemContext(tenant="t", environment="e")
    request = pb.DecideVerdictsRequest(items=[pb.VerdictItem(context=context, surface=surface) for surface in surfaces])
    parts: list[list[int]] = []
    await caller.ask(
        request,
        timeout=timeout,
        answered=lambda response: parts.append([result.index for result in response.results]),
    )
    return parts


async def until(condition: Any) -> None:  # noqa: ANN401
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_parts_come_as_they_are_ready_and_a_late_item_holds_up_no_other_list(
    house: House, channel: grpc.aio.Channel
) -> None:
    caller = house.caller(channel)
    slow = asyncio.create_task(ask(caller, "late", "chat", "late"))
    await until(lambda: house.decider.lists == [3])
    assert await ask(caller, "chat", "chat") == [[0, 1]]
    assert not slow.done()
    house.decider.gate.set()
    assert await slow == [[1], [0, 2]]


async def test_each_list_has_its_own_error_and_the_stream_goes_on(house: House, channel: grpc.aio.Channel) -> None:
    caller = house.caller(channel)
    with pytest.raises(MoatError, match="no policy") as failed:
        await ask(caller, "broken")
    assert (code_of(failed.value), failed.value.reason) == (code_pb2.UNAVAILABLE, "POLICY_DOWN")
    with pytest.raises(MoatError, match="items: must contain no more than 256"):
        await ask(caller, *["chat"] * 257)
    assert await ask(caller, "chat") == [[0]]


async def test_a_forgotten_item_is_an_error_and_no_endless_wait(house: House, channel: grpc.aio.Channel) -> None:
    with pytest.raises(MoatError) as failed:
        await ask(house.caller(channel), "chat", "forgotten")
    assert code_of(failed.value) == code_pb2.INTERNAL


async def test_a_list_that_takes_too_long_ends_alone(house: House, channel: grpc.aio.Channel) -> None:
    caller = house.caller(channel)
    with pytest.raises(OutOfTime):
        await ask(caller, "late", timeout=0.2)
    assert await ask(caller, "chat") == [[0]]


async def test_a_server_that_goes_away_finishes_what_it_was_given(house: House, channel: grpc.aio.Channel) -> None:
    caller = house.caller(channel)
    under_way = asyncio.create_task(ask(caller, "late", "chat"))
    await until(lambda: house.decider.lists == [2])
    began = time.monotonic()
    stopping = asyncio.create_task(house.server.stop())
    await asyncio.sleep(0.1)
    house.decider.gate.set()
    assert await under_way == [[1], [0]]
    await stopping
    # It need not wait for its time to be up: the caller has heard and closes the stream.
    assert time.monotonic() - began < 10
    with pytest.raises(DependencyDown):
        await ask(caller, "chat")
    await house.start()
    await until_answered(caller)


async def test_what_was_on_its_way_when_a_server_dies_fails_at_once(house: House, channel: grpc.aio.Channel) -> None:
    caller = house.caller(channel)
    under_way = asyncio.create_task(ask(caller, "late"))
    await until(lambda: house.decider.lists == [1])
    await house.server._server.stop(0)
    with pytest.raises(DependencyDown):
        await under_way
    house.decider.gate.set()
    await house.start()
    await until_answered(caller)


async def until_answered(caller: ListCaller) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                assert await ask(caller, "chat") == [[0]]
            except DependencyDown:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_list_may_have_a_call_of_its_own(house: House, channel: grpc.aio.Channel) -> None:
    caller = house.caller(channel, apart=True)
    assert await asyncio.gather(*(ask(caller, "chat") for _ in range(20))) == [[[0]]] * 20


async def test_who_is_not_on_the_list_of_callers_is_refused(house: House) -> None:
    async with house.channel("stranger") as channel:
        with pytest.raises(MoatError, match="stranger is not on this service's caller list") as refused:
            await ask(house.caller(channel), "chat")
    assert code_of(refused.value) == code_pb2.PERMISSION_DENIED
    assert house.decider.lists == []


async def test_bytes_that_are_no_list_end_the_stream_with_a_reason(house: House, channel: grpc.aio.Channel) -> None:
    call: Any = channel.stream_stream(METHOD, bytes, bytes)(None)
    await call.write(b"\xff\xff no message")
    with pytest.raises(grpc.aio.AioRpcError, match="not a valid message") as refused:
        await call.read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
