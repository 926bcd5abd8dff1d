"""Evidence through the whole mesh: a picture that waits for a person is kept, read with a reason, held, released, deleted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import psycopg
import pytest
from moat.audit.v1 import evidence_pb2
from moat_client import Decision, Image, Moat, MoatError

from services.runtime.topology import Topology
from tests.support.patience import whole
from tests.support.pictures import drawing, encoded, skin_toned
from tools.launcher.control import Mesh
from tools.launcher.database import connection_string
from tools.launcher.home import ROOT
from tools.launcher.secrets import SUPERUSER

PICTURE = encoded(skin_toned(), "PNG")
WHY = "review of a held picture"
_SWEEP_SECONDS = 30.0


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    async with client(mesh, "game_server", "auditor") as opened:
        yield opened


def client(mesh: Mesh, *roles: str, tenant: str = "demo") -> Moat:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant=tenant, roles=roles)
    return Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=20)


def execute(mesh: Mesh, statement: str, *values: object) -> None:
    """As the database's superuser."""
    server = Topology.load(mesh.home.topology).postgres
    with psycopg.connect(connection_string(server, SUPERUSER), dbname=server.database, autocommit=True) as connection:
        connection.execute(statement, values)


def cli(mesh: Mesh, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", "evidence", *arguments],
        cwd=ROOT,
        env={**os.environ, "MOAT_HOME": str(mesh.home.folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


async def held(moat: Moat, *, do_not_store: bool = False) -> Decision:
    """A picture that the default policy keeps for the person who must look at it."""
    decision = await whole(
        lambda: moat.moderate_image(PICTURE, user_id=f"user-{uuid.uuid4()}", do_not_store=do_not_store)
    )
    assert decision.outcome == "HOLD"
    return decision


async def only(moat: Moat, decision: Decision) -> evidence_pb2.Evidence:
    (found,) = await moat.evidence.list(decision.decision_id)
    return found


async def reason_of(moat: Moat, evidence_id: str) -> str:
    with pytest.raises(MoatError) as caught:
        await moat.evidence.get(evidence_id, reason=WHY)
    return str(caught.value.reason)


async def test_a_picture_that_waits_for_a_person_can_be_seen_by_one(moat: Moat, mesh: Mesh) -> None:
    decision = await held(moat)
    evidence = await only(moat, decision)
    record = (await moat.get_decision(decision.decision_id)).decision
    assert list(record.evidence) == [evidence.file]
    assert (record.evidence[0].kind, record.evidence[0].size) == ("image", len(PICTURE))
    async with client(mesh, "moderator") as moderator:
        found = await moderator.evidence.get(evidence.file.evidence_id, reason=WHY)
    assert found.data == PICTURE
    (reading,) = (await moat.evidence.readings(decision.decision_id)).readings
    assert (reading.evidence_id, reading.reason) == (evidence.file.evidence_id, WHY)


async def test_a_picture_that_passes_is_kept_nowhere(moat: Moat) -> None:
    decision = await moat.moderate_image(encoded(drawing(5)), user_id="user-passes")
    assert not list(await moat.evidence.list(decision.decision_id))


async def test_of_several_things_only_the_picture_that_must_be_seen_is_kept(moat: Moat) -> None:
    decision = await moat.moderate_parts(
        ["look at this", Image(encoded(drawing(6))), Image(PICTURE)], user_id="user-several"
    )
    evidence = await only(moat, decision)
    assert evidence.file.part == 2
    assert (await moat.evidence.get(evidence.file.evidence_id, reason=WHY)).data == PICTURE


async def test_what_shall_not_be_stored_is_not_kept(moat: Moat) -> None:
    decision = await held(moat, do_not_store=True)
    assert not list(await moat.evidence.list(decision.decision_id))


async def test_a_repeat_keeps_no_second_file(moat: Moat) -> None:
    request_id = str(uuid.uuid4())
    first = await moat.moderate_image(PICTURE, user_id="user-repeats", request_id=request_id)
    repeat = await moat.moderate_image(PICTURE, user_id="user-repeats", request_id=request_id)
    assert (repeat.decision_id, repeat.replayed) == (first.decision_id, True)
    await only(moat, first)


async def test_another_tenant_sees_nothing(moat: Moat, mesh: Mesh) -> None:
    decision = await held(moat)
    evidence = await only(moat, decision)
    async with client(mesh, "auditor", tenant="arena") as stranger:
        assert not list(await stranger.evidence.list(decision.decision_id))
        assert await reason_of(stranger, evidence.file.evidence_id) == "NOT_FOUND"


async def test_a_game_server_may_not_look(moat: Moat, mesh: Mesh) -> None:
    evidence = await only(moat, await held(moat))
    async with client(mesh, "game_server") as server:
        with pytest.raises(MoatError) as caught:
            await server.evidence.get(evidence.file.evidence_id, reason=WHY)
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


async def test_an_erased_key_opens_nothing(moat: Moat, mesh: Mesh) -> None:
    evidence = await only(moat, await held(moat))
    execute(mesh, "delete from audit.subject_keys where key_id = %s", evidence.file.key_id)
    assert await reason_of(moat, evidence.file.evidence_id) == "EVIDENCE_ERASED"


async def test_a_held_file_outlives_its_time_and_is_deleted_once_it_is_released(moat: Moat, mesh: Mesh) -> None:
    held_one, other = await only(moat, await held(moat)), await only(moat, await held(moat))
    hold = await moat.evidence.hold(held_one.file.evidence_id, reason="case 17 is open")
    execute(
        mesh,
        "update audit.evidence set delete_time = now() - interval '1 day' where evidence_id = any(%s::uuid[])",
        [held_one.file.evidence_id, other.file.evidence_id],
    )
    await until_deleted(moat, other)
    assert (await moat.evidence.get(held_one.file.evidence_id, reason=WHY)).data == PICTURE
    await moat.evidence.release(hold.hold_id, reason="case 17 is closed")
    await until_deleted(moat, held_one)
    assert await reason_of(moat, held_one.file.evidence_id) == "EVIDENCE_DELETED"
    folder = Topology.load(mesh.home.topology).process("audit").state_dir / "evidence"
    assert not find(folder, held_one.file.evidence_id)


def find(folder: Path, name: str) -> list[Path]:
    return list(folder.rglob(f"*{name}*"))


async def until_deleted(moat: Moat, evidence: evidence_pb2.Evidence) -> None:
    async with asyncio.timeout(_SWEEP_SECONDS):
        while True:
            (found,) = await moat.evidence.list(evidence.decision_id)
            if found.HasField("gone_time"):
                return
            await asyncio.sleep(0.5)


async def test_the_command_lists_gets_holds_and_releases(moat: Moat, mesh: Mesh, tmp_path: Path) -> None:
    decision = await held(moat)
    evidence_id = (await only(moat, decision)).file.evidence_id
    out = tmp_path / "picture.png"
    assert cli(mesh, "get", evidence_id, "--reason", WHY, "--out", str(out)).stdout.startswith(f"{out}: image, ")
    assert (out.read_bytes(), out.stat().st_mode & 0o777) == (PICTURE, 0o600)
    hold_id = cli(mesh, "hold", evidence_id, "--reason", "case 18 is open").stdout.split()[1]
    listed = cli(mesh, "list", decision.decision_id).stdout
    assert f"{evidence_id}  part 0  image  {len(PICTURE)} bytes  kept" in listed
    assert f"hold {hold_id}  by local: 'case 18 is open'" in listed
    assert cli(mesh, "release", hold_id, "--reason", "case 18 is closed").stdout.startswith(f"released      {hold_id}")
    assert repr(WHY) in cli(mesh, "readings", decision.decision_id).stdout
    short = cli(mesh, "get", evidence_id, "--reason", "short", "--out", "-")
    assert (short.returncode, short.stdout) == (1, "")
    assert "reason" in short.stderr
