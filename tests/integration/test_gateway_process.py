"""What the gateway promises as a process: killed, it loses nothing it has answered; stopped, it cuts nothing off."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import grpc
import pytest
from moat.moderation.v1 import moderation_service_pb2 as api

from tests.contract.gateway.certificates import write_certificates
from tests.contract.gateway.conftest import NAMES
from tests.contract.gateway.fake_mesh import caller, item, reason
from tests.contract.gateway.waiting import until
from tests.integration.gateway_process import ProcessMesh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def process_mesh(tmp_path: Path) -> AsyncIterator[ProcessMesh]:
    write_certificates(tmp_path, NAMES)
    async with ProcessMesh(tmp_path, tmp_path) as mesh:
        yield mesh


async def chat(mesh: ProcessMesh, name: str, answered: dict[str, str], *, lines: int = 100_000) -> None:
    """Talks until the gateway is gone; keeps what it was answered."""
    for line in range(lines):
        try:
            decision = await mesh.decide(item(f"{name}-{line}", "so rude", user_id=name))
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            return
        answered[decision.request_id] = decision.decision_id


async def test_nothing_answered_is_lost_when_the_gateway_is_killed_while_the_log_is_gone(
    process_mesh: ProcessMesh,
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    answered: dict[str, str] = {}
    await process_mesh.audit.stop()
    for life in range(3):
        talks = [asyncio.create_task(chat(process_mesh, f"{life}-{i}", answered)) for i in range(8)]
        before = len(answered)
        await until(lambda seen=before: len(answered) > seen)  # type: ignore[misc]
        await asyncio.sleep(chance.uniform(0.05, 0.5))
        await process_mesh.kill_gateway()
        await asyncio.gather(*talks)
        await process_mesh.start_gateway()
    again = next(iter(answered))
    repeat = await process_mesh.decide(item(again, "so rude", user_id=again.rpartition("-")[0]))
    assert (repeat.decision_id, repeat.replayed) == (answered[again], True)
    await process_mesh.audit.start_again()
    await until(lambda: set(answered.values()) <= process_mesh.audit.records.keys(), seconds=30)
    assert len(answered) > 20, f"too little was said to prove anything (seed {seed})"


async def test_a_gateway_that_is_told_to_stop_answers_what_it_has_begun(process_mesh: ProcessMesh) -> None:
    process_mesh.routing.slow = 0.5
    single = asyncio.ensure_future(process_mesh.decide(item("single")))
    stream = process_mesh.stub.StreamModerate(None, metadata=caller())
    await stream.write(api.StreamModerateRequest(items=[item("streamed")]))
    await until(lambda: sum(process_mesh.routing.calls) == 2)
    process_mesh.process.terminate()
    assert (await single).decision_id in process_mesh.audit.records
    response = await stream.read()
    assert isinstance(response, api.StreamModerateResponse)
    assert response.results[0].decision.decision_id in process_mesh.audit.records
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert reason(caught.value) == "DRAINING"
    assert await asyncio.to_thread(process_mesh.process.wait, 20) == 0
    assert len(process_mesh.context.counted) == 2, "what happens after the answer is finished too"


async def test_broken_configuration_is_named_and_stops_the_start(process_mesh: ProcessMesh) -> None:
    await process_mesh.kill_gateway()
    (process_mesh.state / "key").write_bytes(b"too short")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process_mesh.start_gateway(), 5)
    assert await asyncio.to_thread(process_mesh.process.wait, 10) == 78
    assert "must hold 32 bytes" in (process_mesh.state / "gateway.log").read_text()
    (process_mesh.state / "key").write_bytes(b"k" * 32)
    await process_mesh.start_gateway()
