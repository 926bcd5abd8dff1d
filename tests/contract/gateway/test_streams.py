"""Streams of chat servers: answers as they are ready, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import code_pb2
from moat.moderation.v1 import moderation_service_pb2 as api
from prometheus_client import REGISTRY

from tests.contract.gateway.fake_mesh import caller, item, reason
from tests.contract.gateway.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.contract.gateway.fake_mesh import FakeMesh

    StartFakeMesh = Callable[..., Awaitable[FakeMesh]]


class Chat:
    """A stream as a chat server holds it."""

    def __init__(self, fake_mesh: FakeMesh, **who: Any) -> None:  # noqa: ANN401 - as caller() takes it
        self.call = fake_mesh.stub.StreamModerate(None, metadata=caller(**who))
        self.frames: list[list[str]] = []
        self.codes: dict[str, int] = {}
        self._reader = asyncio.ensure_future(self._read())

    async def say(self, *request_ids: str, text: str = "hello") -> None:
        await self.call.write(api.StreamModerateRequest(items=[item(one, text) for one in request_ids]))

    async def ended(self) -> grpc.aio.AioRpcError | None:
        return await self._reader

    async def _read(self) -> grpc.aio.AioRpcError | None:
        try:
            async for response in self.call:
                self.frames.append([result.request_id for result in response.results])
                self.codes |= {result.request_id: result.error.code for result in response.results}
        except grpc.aio.AioRpcError as error:
            return error
        return None


async def test_everything_that_is_said_is_answered_before_a_stream_ends(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh)
    for i in range(10):
        await chat.say(*(f"{i}.{j}" for j in range(10)))
    await chat.call.done_writing()
    assert await chat.ended() is None
    assert len(chat.codes) == 100
    assert set(chat.codes.values()) == {code_pb2.OK}


async def test_what_is_ready_together_leaves_together(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh)
    await chat.say(*(f"r{i}" for i in range(40)))
    await chat.call.done_writing()
    assert await chat.ended() is None
    assert len(chat.frames) <= 4


async def test_an_answer_does_not_wait_for_a_slower_one(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh)
    fake_mesh.detection.gate.clear()
    await chat.say("slow")
    await until(lambda: bool(fake_mesh.detection.calls))
    await chat.say("")
    await until(lambda: "" in chat.codes)
    assert "slow" not in chat.codes
    fake_mesh.detection.gate.set()
    await until(lambda: "slow" in chat.codes)
    chat.call.cancel()


async def test_bad_items_are_answered_and_the_stream_goes_on(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh)
    await chat.say("empty", text="")
    await chat.say("good")
    await until(lambda: len(chat.codes) == 2)
    assert chat.codes == {"empty": code_pb2.INVALID_ARGUMENT, "good": code_pb2.OK}
    chat.call.cancel()


async def test_a_frame_over_the_limit_ends_the_stream_after_what_came_before(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh)
    fake_mesh.detection.slow = 0.1
    await chat.say("good")
    await chat.say(*(f"r{i}" for i in range(257)))
    error = await chat.ended()
    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert chat.codes == {"good": code_pb2.OK}


async def test_a_malformed_frame_ends_the_stream_after_what_came_before(fake_mesh: FakeMesh) -> None:
    rpc = fake_mesh.channel.stream_stream("/moat.moderation.v1.ModerationService/StreamModerate", None, None)
    call = rpc(None, metadata=caller())
    await call.write(api.StreamModerateRequest(items=[item("good")]).SerializeToString())
    await call.write(b"\xff\xff\xff")
    data = await call.read()
    assert isinstance(data, bytes)
    response = api.StreamModerateResponse.FromString(data)
    assert [result.request_id for result in response.results] == ["good"]
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_ends_when_its_token_expires_after_the_items_in_flight(fake_mesh: FakeMesh) -> None:
    expires = time.monotonic() + 1.5
    chat = Chat(fake_mesh, expires_in=1.5)
    await chat.say("early")
    await until(lambda: "early" in chat.codes)
    fake_mesh.routing.gate.clear()
    await chat.say("late")
    await asyncio.sleep(expires - time.monotonic() + 0.1)
    fake_mesh.routing.gate.set()
    error = await chat.ended()
    assert error is not None
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason(error) == "TOKEN_EXPIRED"
    assert chat.codes == {"early": code_pb2.OK, "late": code_pb2.OK}


async def test_an_idle_stream_ends_too_when_its_token_expires(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh, expires_in=0.5)
    started = time.monotonic()
    error = await chat.ended()
    assert error is not None
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert time.monotonic() - started < 2


async def test_a_frame_that_comes_after_expiry_is_not_read(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh, expires_in=0.2)
    await asyncio.sleep(0.3)
    await chat.say("after")
    error = await chat.ended()
    assert error is not None
    assert not chat.codes
    assert not fake_mesh.detection.calls


async def test_draining_answers_what_is_in_flight_and_sends_the_caller_elsewhere(fake_mesh: FakeMesh) -> None:
    chats = [Chat(fake_mesh) for _ in range(3)]
    fake_mesh.routing.slow = 0.3
    for chat in chats[:2]:
        await chat.say("r1")
    await until(lambda: bool(fake_mesh.routing.calls))
    stopping = asyncio.ensure_future(fake_mesh.gateway.server.stop())
    errors = [await chat.ended() for chat in chats]
    await stopping
    assert {reason(error) for error in errors if error is not None} == {"DRAINING"}
    assert {error.code() for error in errors if error is not None} == {grpc.StatusCode.UNAVAILABLE}
    assert [len(chat.codes) for chat in chats] == [1, 1, 0]
    assert REGISTRY.get_sample_value("streams_open") == 0


async def test_a_stream_that_leaves_too_much_unanswered_is_not_read(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(stream_unanswered_limit=4)
    fake_mesh.detection.gate.clear()
    chat = Chat(fake_mesh)
    for i in range(20):
        await chat.say(f"r{i}")
    await until(lambda: bool(fake_mesh.detection.calls))
    await asyncio.sleep(0.2)
    waiting, flying = REGISTRY.get_sample_value("items_waiting"), REGISTRY.get_sample_value("items_in_flight")
    assert (waiting, flying) == (0, 4)
    fake_mesh.detection.gate.set()
    await until(lambda: len(chat.codes) == 20)
    chat.call.cancel()


async def test_items_of_a_stream_are_metered(fake_mesh: FakeMesh) -> None:
    def metered() -> float:
        return REGISTRY.get_sample_value("items_total", {"tenant": "demo"}) or 0.0

    before = metered()
    chat = Chat(fake_mesh)
    await chat.say("r1", "r2", "")
    await chat.call.done_writing()
    await chat.ended()
    assert metered() == before + 3


async def test_a_stream_whose_caller_has_gone_leaves_nothing_behind(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.gate.clear()
    chat = Chat(fake_mesh)
    await chat.say("r1", "r2")
    await until(lambda: bool(fake_mesh.detection.calls))
    chat.call.cancel()
    await until(lambda: REGISTRY.get_sample_value("streams_open") == 0)
    fake_mesh.detection.gate.set()
    await until(lambda: REGISTRY.get_sample_value("items_in_flight") == 0)


async def test_an_unknown_tenant_cannot_open_a_stream(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh, tenant="nobody")
    error = await chat.ended()
    assert error is not None
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_the_same_id_twice_in_one_stream_is_decided_once(fake_mesh: FakeMesh) -> None:
    chat = Chat(fake_mesh)
    await chat.say("r1", "r1")
    await chat.call.done_writing()
    await chat.ended()
    assert sum(len(frame) for frame in chat.frames) == 2
    assert sum(fake_mesh.detection.calls) == 1
    assert chat.codes == {"r1": code_pb2.OK}
