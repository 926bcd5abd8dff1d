"""A detector over gRPC, against a real server that implements DetectorService as a stranger would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2, status_pb2
from moat.detection.v1 import detector_service_pb2 as pb
from moat.detection.v1 import detector_service_pb2_grpc, signals_pb2

from services.detection.detectors.breaker import State
from services.detection.detectors.port import Kind, Question
from services.runtime import validation
from tests.contract.detection.conftest import Opens
from tests.support.detectors import text

WEAPON = "violence.weapon_display"
USES = "grpc_endpoint_answers"
Context = grpc.aio.ServicerContext[Any, Any]
Detects = Callable[[pb.DetectRequest, Context], Awaitable[pb.DetectResponse]]


def result(index: int, *scores: tuple[str, float], cost: int = 0) -> pb.DetectResult:
    listed = [signals_pb2.Score(category=category, probability=score) for category, score in scores]
    return pb.DetectResult(index=index, scores=listed, cost_micros=cost)


async def by_content(request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
    validation.check(request)
    texts = [item.content.text.text for item in request.items]
    return pb.DetectResponse(
        results=[result(i, (WEAPON, 0.75 if "bad" in one else 0.25)) for i, one in enumerate(texts)]
    )


@asynccontextmanager
async def served(
    detects: Detects, certificates: Path | None = None, port: int = 0
) -> AsyncIterator[tuple[str, list[Any]]]:
    """Its address, and the requests that it gets with their metadata."""
    asked: list[Any] = []

    class Servicer(detector_service_pb2_grpc.DetectorServiceServicer):
        async def Detect(  # noqa: N802 - gRPC's name
            self, request: pb.DetectRequest, context: Context
        ) -> pb.DetectResponse:
            asked.append((request, dict(context.invocation_metadata() or ())))
            return await detects(request, context)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    detector_service_pb2_grpc.add_DetectorServiceServicer_to_server(Servicer(), server)
    if certificates is None:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        pair = ((certificates / "edge.key").read_bytes(), (certificates / "edge.pem").read_bytes())
        bound = server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([pair]))
    await server.start()
    try:
        yield f"127.0.0.1:{bound}", asked
    finally:
        await server.stop(None)


def answering(*results: pb.DetectResult) -> Detects:
    async def detects(request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
        return pb.DetectResponse(results=results)

    return detects


def refusing(code: grpc.StatusCode) -> Detects:
    async def detects(request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
        await context.abort(code, "no")
        raise AssertionError

    return detects


async def test_a_list_of_one_tenants_texts_is_one_call(open_detector: Opens) -> None:
    async with served(by_content) as (address, asked):
        detector = await open_detector(USES, {"address": address, "tls": False}, categories=[WEAPON], max_list=8)
        findings = await asyncio.gather(
            *(detector.ask(text(content), deadline=None) for content in ("bad", "good", "bad \ud800"))
        )
    assert [(one.state, one.scores[0].probability) for one in findings] == [
        ("answered", 0.75),
        ("answered", 0.25),
        ("answered", 0.75),
    ]
    ((request, metadata),) = asked
    assert (request.detector, [item.surface for item in request.items]) == ("theirs", ["chat"] * 3)
    assert "authorization" not in metadata


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.AUDIO])
async def test_a_picture_or_clip_is_sent_as_it_came(open_detector: Opens, kind: Kind) -> None:
    async with served(answering(result(0, (WEAPON, 1), cost=12))) as (address, asked):
        detector = await open_detector(
            USES, {"address": address, "tls": False}, categories=[WEAPON], kinds=[kind.value]
        )
        question = Question(kind, data=b"\x00\xff", media_type="a/b", tenant="t")
        finding = await detector.ask(question, deadline=None)
    assert (finding.state, finding.cost_micros) == ("answered", 12)
    (item,) = asked[0][0].items
    assert item.content.WhichOneof("kind") == kind.value
    assert getattr(item.content, kind.value).data == b"\x00\xff"


@pytest.mark.parametrize(
    "results",
    [
        [],
        [result(1, (WEAPON, 0.5))],
        [result(0, (WEAPON, float("nan")))],
        [result(0, (WEAPON, 1.5))],
        [result(0, ("hate", 0.5))],
        [result(0, (WEAPON, 0.5), (WEAPON, 0.6))],
        [result(0, (WEAPON, 0.5), cost=2**60)],
        [pb.DetectResult(index=0, error=status_pb2.Status(code=code_pb2.INVALID_ARGUMENT))],
    ],
)
async def test_what_is_no_proper_answer_has_failed(open_detector: Opens, results: Sequence[pb.DetectResult]) -> None:
    async with served(answering(*results)) as (address, _):
        detector = await open_detector(
            USES, {"address": address, "tls": False}, categories=[WEAPON], breaker={"failures": 1}
        )
        assert (await detector.ask(text("gg"), deadline=None)).state == "failed"
    assert detector.breaker.state is State.CLOSED


@pytest.mark.parametrize(
    ("detects", "state"),
    [
        (refusing(grpc.StatusCode.INVALID_ARGUMENT), "failed"),
        (refusing(grpc.StatusCode.UNAVAILABLE), "unavailable"),
        (refusing(grpc.StatusCode.UNAUTHENTICATED), "unavailable"),
        (refusing(grpc.StatusCode.INTERNAL), "unavailable"),
        (answering(*(result(0, ("x" * 100, 0.5)) for _ in range(5000))), "unavailable"),
    ],
    ids=["invalid", "unavailable", "unauthenticated", "internal", "huge"],
)
async def test_errors_mean_what_they_say(open_detector: Opens, detects: Detects, state: str) -> None:
    async with served(detects) as (address, _):
        settings = {"address": address, "tls": False}
        detector = await open_detector(USES, settings, categories=[WEAPON], breaker={"failures": 1})
        assert (await detector.ask(text("gg"), deadline=None)).state == state
    assert detector.breaker.state is (State.OPEN if state == "unavailable" else State.CLOSED)


async def test_one_that_is_slow_has_the_time_of_its_file_and_hears_that_nobody_waits(open_detector: Opens) -> None:
    ended = asyncio.Event()

    async def hangs(request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async with served(hangs) as (address, _):
        detector = await open_detector(USES, {"address": address, "tls": False}, categories=[WEAPON], deadline_ms=1500)
        assert (await detector.ask(text("gg"), deadline=None)).state == "out_of_time"
        await asyncio.wait_for(ended.wait(), 20)


async def test_over_tls_with_a_secret_and_only_to_a_server_that_proves_its_name(
    open_detector: Opens, certificates: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    ours = {"ca_file": str(certificates / "ca.pem"), "secret_file": "secret"}
    async with served(by_content, certificates) as (address, asked):
        detector = await open_detector(USES, {"address": address, **ours}, categories=[WEAPON])
        assert (await detector.ask(text("gg"), deadline=None)).state == "answered"
        for settings in (
            {"address": address},
            {"address": address.replace("127.0.0.1", "127.0.0.2"), **ours},
            {"address": address, "tls": False},
        ):
            detector = await open_detector(USES, settings, categories=[WEAPON], deadline_ms=1000)
            assert (await detector.ask(text("gg"), deadline=None)).state in ("unavailable", "out_of_time")
    assert [metadata["authorization"] for _, metadata in asked] == ["Bearer s3cret"]


async def test_a_server_that_went_away_is_found_again(open_detector: Opens) -> None:
    async with served(by_content) as (address, _):
        settings = {"address": address, "tls": False}
        breaker = {"failures": 1, "calls": 1, "seconds": 0.05}
        detector = await open_detector(USES, settings, categories=[WEAPON], breaker=breaker)
        assert (await detector.ask(text("gg"), deadline=None)).state == "answered"
    assert (await detector.ask(text("gg"), deadline=None)).state == "unavailable"
    port = int(address.rpartition(":")[2])
    async with served(by_content, port=port), asyncio.timeout(10):
        while (await detector.ask(text("gg"), deadline=None)).state != "answered":
            await asyncio.sleep(0.05)
