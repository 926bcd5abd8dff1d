"""Every service says how it is, and a service that is told to stop answers all that it was asked."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from moat.audit.v1 import decision_log_service_pb2 as log_pb
from moat.audit.v1 import decision_log_service_pb2_grpc as log_grpc
from moat.audit.v1 import decision_record_pb2
from moat.context.v1 import context_service_pb2 as context_pb
from moat.context.v1 import context_service_pb2_grpc as context_grpc
from moat.detection.v1 import detection_service_pb2 as detection_pb
from moat.detection.v1 import detection_service_pb2_grpc as detection_grpc
from moat.enforcement.v1 import effect_service_pb2 as effects_pb
from moat.enforcement.v1 import effect_service_pb2_grpc as effects_grpc
from moat.mesh.v1 import content_pb2, item_pb2
from moat.routing.v1 import routing_service_pb2 as routing_pb
from moat.routing.v1 import routing_service_pb2_grpc as routing_grpc

from services.runtime.lists.asking import ListCaller
from services.runtime.process import channel_to
from services.runtime.topology import Topology
from tools.launcher.control import Mesh
from tools.launcher.resolve import read_source
from tools.launcher.status import State

SERVICES = sorted(read_source()["processes"])
ASKERS, ITEMS = 6, 8


def context() -> item_pb2.ItemContext:
    return item_pb2.ItemContext(
        tenant="demo", environment="production", request_id=str(uuid.uuid4()), decision_id=str(uuid.uuid4())
    )


def content() -> content_pb2.Content:
    return content_pb2.Content(text=content_pb2.TextContent(text=f"good evening {uuid.uuid4()}"))


def append() -> log_pb.AppendItem:
    about = context()
    record = decision_record_pb2.DecisionRecord(
        decision_id=about.decision_id, tenant="demo", environment="production", request_id=about.request_id
    )
    record.decide_time.GetCurrentTime()
    return log_pb.AppendItem(context=about, content_digest=b"d" * 32, record=record.SerializeToString())


@dataclass(frozen=True)
class Asking:
    """How one list RPC is asked."""

    stub: Callable[[grpc.aio.Channel], Any]
    rpc: str
    request: Callable[..., Message]
    item: Callable[[], Message]


ASKED = {
    "detection": Asking(
        detection_grpc.DetectionServiceStub,
        "ScoreContents",
        detection_pb.ScoreContentsRequest,
        lambda: detection_pb.ScoreItem(context=context(), content=content(), surface="chat"),
    ),
    "context": Asking(
        context_grpc.ContextServiceStub,
        "ReadContexts",
        context_pb.ReadContextsRequest,
        lambda: context_pb.ContextItem(context=context(), user_id="ann", content_digest=b"d" * 16),
    ),
    "routing": Asking(
        routing_grpc.RoutingServiceStub,
        "DecideVerdicts",
        routing_pb.DecideVerdictsRequest,
        lambda: routing_pb.VerdictItem(context=context(), surface="chat"),
    ),
    "enforcement": Asking(
        effects_grpc.EffectServiceStub,
        "CheckSubjects",
        effects_pb.CheckSubjectsRequest,
        lambda: effects_pb.SubjectItem(context=context(), user_id="ann"),
    ),
    "audit": Asking(log_grpc.DecisionLogServiceStub, "AppendDecisions", log_pb.AppendDecisionsRequest, append),
}


@pytest.fixture
def topology(mesh: Mesh) -> Topology:
    return Topology.load(mesh.home.topology)


def pid_of(mesh: Mesh, name: str) -> int:
    status = mesh.status()
    assert status is not None
    return status.programs[name].pid


@pytest.fixture
def stop(mesh: Mesh) -> Iterator[Callable[[str], psutil.Process]]:
    """Tells a process to stop; waits for its successor at the end, so that the mesh is left well."""
    stopped: list[tuple[str, int]] = []

    def tell(name: str) -> psutil.Process:
        process = psutil.Process(pid_of(mesh, name))
        stopped.append((name, process.pid))
        process.terminate()
        return process

    yield tell
    deadline = time.monotonic() + 30
    for name, pid in stopped:
        while True:
            status = mesh.status()
            assert status is not None
            one = status.programs[name]
            if one.state is State.HEALTHY and one.pid != pid and status.healthy:
                break
            assert time.monotonic() < deadline, status
            time.sleep(0.05)


@pytest.mark.parametrize("name", SERVICES)
async def test_every_service_answers_health(topology: Topology, name: str) -> None:
    async with channel_to(topology, name, me="launcher") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_every_service_that_answers_lists_is_asked_here() -> None:
    """The gateway has tests of its own (test_gateway_process), the drain too (test_log); the collector only takes in."""
    assert set(SERVICES) - set(ASKED) == {"collector", "audit-drain", "gateway"}


@pytest.mark.parametrize("name", sorted(ASKED))
async def test_a_service_that_is_told_to_stop_answers_all_that_it_was_asked(
    topology: Topology, stop: Callable[[str], psutil.Process], name: str
) -> None:
    asking = ASKED[name]
    answered = 0

    def take(response: Any) -> None:  # noqa: ANN401 - any service's
        nonlocal answered
        assert all(result.error.code == 0 for result in response.results)
        answered += len(response.results)

    async with channel_to(topology, name, me="gateway") as channel:
        lists = ListCaller(getattr(asking.stub(channel), asking.rpc), peer=name)

        async def ask() -> None:
            request = asking.request(items=[asking.item() for _ in range(ITEMS)])
            await lists.ask(request, timeout=10, answered=take)

        await ask()
        stream = lists._stream
        assert stream is not None
        asked = itertools.count(1)

        async def keep_asking() -> None:
            # Looked at and written without a turn of the loop between: none is asked of the stream that comes after.
            while stream.open:
                next(asked)
                await ask()

        async with asyncio.TaskGroup() as group:
            for _ in range(ASKERS):
                group.create_task(keep_asking())
            await asyncio.sleep(0.2)
            process = stop(name)
        assert answered == next(asked) * ITEMS
    await asyncio.to_thread(process.wait, 12)
