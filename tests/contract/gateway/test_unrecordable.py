"""Decisions that no record could hold: the caller hears of it, and none is answered and then lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from google.rpc import code_pb2

from tests.contract.gateway.fake_mesh import item, reason, status_of
from tests.contract.gateway.test_images import refused

if TYPE_CHECKING:
    from tests.contract.gateway.fake_mesh import FakeMesh


async def test_a_decision_whose_record_is_too_large_is_refused_and_not_spooled(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.degraded = ["x" * 1000] * 300
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.decide(item("r1"))
    assert status_of(caught.value).code == code_pb2.INVALID_ARGUMENT
    assert reason(caught.value) == "RECORD_TOO_LARGE"
    assert not fake_mesh.audit.records
    assert len(fake_mesh.gateway.spool) == 0


@pytest.mark.parametrize("field", ["request_id", "user_id", "channel_id", "surface"])
async def test_a_name_that_no_database_holds_is_refused_before_it_is_decided(fake_mesh: FakeMesh, field: str) -> None:
    asked = item("r1")
    setattr(asked, field, "a\0b")
    error = await refused(fake_mesh, asked)
    assert status_of(error).code == code_pb2.INVALID_ARGUMENT
    assert field in status_of(error).message
    assert not fake_mesh.audit.records
