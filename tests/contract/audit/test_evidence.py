"""Files in a real database and a real store: kept once, read with a reason, held, deleted, and nobody else's."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from moat.audit.v1 import decision_record_pb2, evidence_pb2, evidence_store_service_pb2
from moat.mesh.v1 import item_pb2
from prometheus_client import REGISTRY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.audit.drain.rows import rows_of
from services.audit.drain.sink import Sink
from services.audit.evidence.holds import Holds
from services.audit.evidence.keeping import Keeper, SealedFile
from services.audit.evidence.listing import Listing
from services.audit.evidence.object_store import ObjectStore, StoreDown, object_name
from services.audit.evidence.reading import Reader
from services.audit.evidence.retention import Limits, Retention
from services.audit.evidence.sealed_file import associated_data
from services.audit.evidence.servicer import EvidenceStoreServicer
from services.audit.log.append import DecisionLog
from services.audit.log.keys import RECORD
from services.audit.store.decisions import Decisions
from services.runtime.errors import DataLoss, DependencyDown, InvalidRequest, NotFound, WrongState
from services.runtime.ids import new_id
from services.runtime.postgres import as_tenant, open_pool
from services.runtime.principal import Principal
from services.runtime.redis_cluster import open_cluster
from services.runtime.topology import Topology
from tests.contract.audit.conftest import STORES
from tools.launcher.control import Mesh
from tools.launcher.database import connection_string
from tools.launcher.ports import LOOPBACK, Ports
from tools.launcher.secrets import SUPERUSER

KEK = os.urandom(32)
DAY = timedelta(days=1)
DAYS_KEPT = 30
WHY = "case 17, a report by a parent"


class Unreliable:
    """A store that a test can take away, or kill us in the middle of."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.down = False

    def _check(self) -> None:
        if self.down:
            raise StoreDown

    async def put(self, name: str, data: bytes) -> None:
        self._check()
        await self.store.put(name, data)

    async def get(self, name: str) -> bytes | None:
        self._check()
        return await self.store.get(name)

    async def delete(self, name: str) -> None:
        self._check()
        await self.store.delete(name)

    async def ping(self) -> bool:
        self._check()
        return await self.store.ping()


@dataclasses.dataclass
class Room:
    """The audit side of the evidence store, for one tenant of its own."""

    store: Unreliable
    topology: Topology
    pool: AsyncEngine
    worker_pool: AsyncEngine
    drain_pool: AsyncEngine
    tenant: str = dataclasses.field(default_factory=lambda: f"tenant-{uuid.uuid4()}")
    now: datetime = dataclasses.field(default_factory=lambda: datetime.now(UTC))
    drained: datetime | None = None

    def __post_init__(self) -> None:
        self.keeper = Keeper(self.pool, self.store, writes=4)
        self.reader = Reader(self.pool, self.store, Decisions(self.pool), KEK)
        self.listing = Listing(self.pool)
        self.holds = Holds(self.pool)
        limits = Limits(unnamed=DAY, most=100, every_seconds=60)
        self.retention = Retention(
            self.worker_pool, self.store, limits, drained_until=self._drained_until, clock=lambda: self.now
        )

    async def _drained_until(self) -> datetime:
        if self.drained is None:
            raise DependencyDown("the log is away")
        return self.drained

    def who(self, subject: str = "auditor", tenant: str = "") -> Principal:
        return Principal(subject, frozenset(), tenant or self.tenant, "production")

    def sealed(self, data: bytes, *, part: int = 0, file: SealedFile | None = None) -> SealedFile:
        """As the gateway seals: under a key of its own each time. `file`: another attempt to keep that one."""
        decision_id = file.decision_id if file else new_id()
        evidence_id = file.file.evidence_id if file else new_id()
        key, key_id, nonce = os.urandom(32), str(uuid.uuid4()), os.urandom(12)
        named = decision_record_pb2.EvidenceFile(
            evidence_id=evidence_id,
            part=part,
            kind="image",
            sha256=hashlib.sha256(data).digest(),
            size=len(data),
            key_id=key_id,
        )
        named.delete_time.FromDatetime(self.now + DAYS_KEPT * DAY)
        content = decision_record_pb2.SealedContent(
            key_id=key_id,
            wrapped_key=aes_key_wrap(KEK, key),
            nonce=nonce,
            ciphertext=AESGCM(key).encrypt(
                nonce, data, associated_data(self.tenant, "production", decision_id, evidence_id)
            ),
        )
        return SealedFile(self.tenant, "production", decision_id, "author", named, content)

    async def kept(self, data: bytes = b"a picture", *, named: bool = True) -> SealedFile:
        file = self.sealed(data)
        await self.keeper.keep(file)
        if named:
            await self.record(file)
        return file

    async def record(self, *files: SealedFile) -> None:
        """The decision that names the files, through the drain."""
        record = decision_record_pb2.DecisionRecord(
            decision_id=files[0].decision_id,
            tenant=self.tenant,
            environment="production",
            request_id=str(uuid.uuid4()),
            user_id="author",
            evidence=[file.file for file in files],
        )
        record.decide_time.GetCurrentTime()
        await Sink(self.drain_pool).write(rows_of([{RECORD: record.SerializeToString()}]))

    async def object_of(self, file: SealedFile) -> bytes | None:
        return await self.store.store.get(self.name(file))

    def name(self, file: SealedFile) -> str:
        return object_name(self.tenant, "production", file.file.evidence_id)

    async def state(self, file: SealedFile) -> evidence_pb2.EvidenceState.ValueType:
        return (await self.evidence(file)).state

    async def evidence(self, file: SealedFile) -> evidence_pb2.Evidence:
        found = await self.listing.of_decision(self.tenant, "production", file.decision_id)
        assert len(found) == 1
        return found[0]

    async def readings(self, file: SealedFile) -> list[evidence_pb2.EvidenceReading]:
        return list((await self.listing.readings(self.tenant, "production", file.decision_id, 50, "")).readings)

    def execute(self, statement: str, *values: object) -> None:
        """As the database's superuser, whom row-level security does not hold."""
        server = self.topology.postgres
        with psycopg.connect(
            connection_string(server, SUPERUSER), dbname=server.database, autocommit=True
        ) as connection:
            connection.execute(statement, values)


KEPT, DELETED = evidence_pb2.EVIDENCE_STATE_KEPT, evidence_pb2.EVIDENCE_STATE_DELETED


@pytest.fixture
async def room(servers: Mesh, store: ObjectStore) -> AsyncIterator[Room]:
    topology = Topology.load(servers.home.topology)
    pool, worker_pool, drain_pool = (
        open_pool(topology.postgres.url(role), size=4)
        for role in ("moat_audit", "moat_audit_retention", "moat_audit_drain")
    )
    made = Room(Unreliable(store), topology, pool, worker_pool, drain_pool)
    yield made
    made.execute("delete from audit.evidence_holds where tenant = %s", made.tenant)
    made.execute("delete from audit.evidence where tenant = %s", made.tenant)
    for opened in (pool, worker_pool, drain_pool):
        await opened.dispose()


@STORES
async def test_a_kept_file_is_given_as_it_came(room: Room) -> None:
    file = await room.kept(b"a picture")
    opened = await room.reader.read(room.who(), file.file.evidence_id, WHY)
    assert opened.data == b"a picture"
    assert opened.decision_id == file.decision_id
    assert opened.file == file.file


async def test_the_store_never_holds_what_it_was_given_in_the_clear(room: Room) -> None:
    file = await room.kept(b"a picture that nobody may see")
    held = await room.object_of(file)
    assert held
    assert b"picture" not in held
    assert file.sealed.wrapped_key not in held


@STORES
async def test_keeping_again_changes_nothing(room: Room) -> None:
    file = await room.kept()
    before = await room.object_of(file)
    await room.keeper.keep(room.sealed(b"a picture", file=file))
    assert await room.object_of(file) == before
    assert len(await room.listing.of_decision(room.tenant, "production", file.decision_id)) == 1


@STORES
async def test_many_attempts_at_once_keep_one_file_that_opens(room: Room) -> None:
    first = room.sealed(b"a picture")
    await asyncio.gather(*(room.keeper.keep(room.sealed(b"a picture", file=first)) for _ in range(6)))
    assert (await room.reader.read(room.who(), first.file.evidence_id, WHY)).data == b"a picture"


async def test_what_was_interrupted_is_kept_by_the_next_attempt(room: Room) -> None:
    file = room.sealed(b"a picture")
    room.store.down = True
    with pytest.raises(StoreDown):
        await room.keeper.keep(file)
    assert await room.listing.of_decision(room.tenant, "production", file.decision_id) == []
    with pytest.raises(NotFound):
        await room.reader.read(room.who(), file.file.evidence_id, WHY)
    room.store.down = False
    await room.keeper.keep(room.sealed(b"a picture", file=file))
    assert (await room.reader.read(room.who(), file.file.evidence_id, WHY)).data == b"a picture"


async def test_a_reading_is_written_down_with_who_and_why(room: Room) -> None:
    file = await room.kept()
    opened = await room.reader.read(room.who("mina"), file.file.evidence_id, WHY)
    (reading,) = await room.readings(file)
    assert reading == opened.reading
    assert (reading.reader, reading.reason, reading.evidence_id) == ("mina", WHY, file.file.evidence_id)


async def test_a_reading_is_written_down_even_if_the_store_gives_nothing(room: Room) -> None:
    file = await room.kept()
    room.store.down = True
    with pytest.raises(StoreDown):
        await room.reader.read(room.who("mina"), file.file.evidence_id, WHY)
    assert [reading.reader for reading in await room.readings(file)] == ["mina"]


async def test_nothing_is_given_when_the_reading_cannot_be_written_down(room: Room) -> None:
    file = await room.kept()
    with pytest.raises(DBAPIError):
        # The database refuses a reading without a reason, whoever forgot to ask for one.
        await room.reader.read(room.who(), file.file.evidence_id, "")
    assert await room.readings(file) == []


async def test_readings_come_in_pages_newest_first(room: Room) -> None:
    file = await room.kept()
    for number in range(5):
        await room.reader.read(room.who(f"reader {number}"), file.file.evidence_id, WHY)
    readers: list[str] = []
    token = ""
    while True:
        page = await room.listing.readings(room.tenant, "production", file.decision_id, 2, token)
        readers += [reading.reader for reading in page.readings]
        token = page.next_token
        if not token:
            break
    assert readers == [f"reader {number}" for number in (4, 3, 2, 1, 0)]


async def test_a_token_of_another_decisions_readings_is_refused(room: Room) -> None:
    file = await room.kept()
    for _ in range(2):
        await room.reader.read(room.who(), file.file.evidence_id, WHY)
    page = await room.listing.readings(room.tenant, "production", file.decision_id, 1, "")
    with pytest.raises(InvalidRequest):
        await room.listing.readings(room.tenant, "production", new_id(), 1, page.next_token)


async def test_the_service_cannot_change_a_reading(room: Room) -> None:
    file = await room.kept()
    await room.reader.read(room.who(), file.file.evidence_id, WHY)
    for statement in ("update audit.evidence_readings set reason = 'none'", "delete from audit.evidence_readings"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with as_tenant(room.pool, room.tenant, "production") as connection:
                await connection.exec_driver_sql(statement)


async def test_another_tenant_sees_nothing(room: Room) -> None:
    file = await room.kept()
    hold = await room.holds.place(room.who(), file.file.evidence_id, WHY)
    stranger = room.who(tenant="another")
    with pytest.raises(NotFound):
        await room.reader.read(stranger, file.file.evidence_id, WHY)
    with pytest.raises(NotFound):
        await room.holds.place(stranger, file.file.evidence_id, WHY)
    with pytest.raises(NotFound):
        await room.holds.release(stranger, hold.hold_id, WHY)
    assert await room.listing.of_decision("another", "production", file.decision_id) == []
    assert await room.listing.of_decision(room.tenant, "staging", file.decision_id) == []
    page = await room.listing.readings("another", "production", file.decision_id, 50, "")
    assert list(page.readings) == []


async def test_an_erased_key_opens_nothing(room: Room) -> None:
    file = await room.kept()
    room.execute("delete from audit.subject_keys where tenant = %s", room.tenant)
    with pytest.raises(NotFound) as raised:
        await room.reader.read(room.who(), file.file.evidence_id, WHY)
    assert raised.value.reason == "EVIDENCE_ERASED"
    assert len(await room.readings(file)) == 1


@STORES
async def test_a_file_that_the_store_has_lost_is_named_so(room: Room) -> None:
    file = await room.kept()
    await room.store.delete(room.name(file))
    with pytest.raises(DataLoss) as raised:
        await room.reader.read(room.who(), file.file.evidence_id, WHY)
    assert raised.value.reason == "EVIDENCE_MISSING"


@pytest.mark.parametrize("how", ["a flipped bit", "cut off", "another file", "rubbish", "an unknown key"])
async def test_a_file_that_was_altered_does_not_open(room: Room, how: str) -> None:
    file, other = await room.kept(), await room.kept(b"another picture")
    held, others = await room.object_of(file), await room.object_of(other)
    assert held
    assert others
    unknown = decision_record_pb2.SealedContent.FromString(held)
    unknown.key_id = str(uuid.uuid4())
    altered = {
        "a flipped bit": held[:-1] + bytes([held[-1] ^ 1]),
        "cut off": held[:-5],
        "another file": others,
        "rubbish": b"\xff\xfe rubbish",
        "an unknown key": unknown.SerializeToString(),
    }
    await room.store.put(room.name(file), altered[how])
    with pytest.raises(DataLoss) as raised:
        await room.reader.read(room.who(), file.file.evidence_id, WHY)
    assert raised.value.reason == "EVIDENCE_ALTERED"


async def test_a_file_is_kept_until_its_time_is_over(room: Room) -> None:
    file = await room.kept()
    room.now += DAYS_KEPT * DAY - timedelta(seconds=1)
    await room.retention.round()
    assert await room.state(file) == KEPT
    assert await room.object_of(file) is not None


@STORES
async def test_a_file_is_deleted_once_its_time_is_over(room: Room) -> None:
    file = await room.kept()
    room.now += DAYS_KEPT * DAY
    assert await room.retention.round() >= 1
    evidence = await room.evidence(file)
    assert evidence.state == DELETED
    assert evidence.gone_time.ToDatetime(UTC) == room.now
    assert await room.object_of(file) is None
    with pytest.raises(NotFound) as raised:
        await room.reader.read(room.who(), file.file.evidence_id, WHY)
    assert raised.value.reason == "EVIDENCE_DELETED"


async def test_a_deleted_file_is_not_kept_again(room: Room) -> None:
    file = await room.kept()
    room.now += DAYS_KEPT * DAY
    await room.retention.round()
    with pytest.raises(WrongState):
        await room.keeper.keep(room.sealed(b"a picture", file=file))
    assert await room.object_of(file) is None


async def test_a_held_file_outlives_its_time_until_the_last_hold_is_released(room: Room) -> None:
    file = await room.kept()
    one = await room.holds.place(room.who("mina"), file.file.evidence_id, WHY)
    other = await room.holds.place(room.who("omar"), file.file.evidence_id, WHY)
    room.now += 10 * DAYS_KEPT * DAY
    await room.retention.round()
    await room.holds.release(room.who("mina"), one.hold_id, "the case is closed")
    await room.retention.round()
    assert (await room.reader.read(room.who(), file.file.evidence_id, WHY)).data == b"a picture"
    await room.holds.release(room.who("omar"), other.hold_id, "the case is closed")
    await room.retention.round()
    assert await room.state(file) == DELETED


async def test_a_hold_says_who_and_why_and_so_does_its_release(room: Room) -> None:
    file = await room.kept()
    hold = await room.holds.place(room.who("mina"), file.file.evidence_id, WHY)
    again = await room.holds.place(room.who("mina"), file.file.evidence_id, WHY)
    assert again == hold
    released = await room.holds.release(room.who("omar"), hold.hold_id, "the case is closed")
    assert await room.holds.release(room.who("nobody"), hold.hold_id, "once more") == released
    (seen,) = (await room.evidence(file)).holds
    assert seen == released
    assert (seen.held_by, seen.reason) == ("mina", WHY)
    assert (seen.released_by, seen.release_reason) == ("omar", "the case is closed")


async def test_what_is_deleted_cannot_be_held(room: Room) -> None:
    file = await room.kept()
    room.now += DAYS_KEPT * DAY
    await room.retention.round()
    with pytest.raises(WrongState):
        await room.holds.place(room.who(), file.file.evidence_id, WHY)


async def test_a_hold_and_retention_at_the_same_time_agree(room: Room) -> None:
    """Whoever comes first: a hold that was answered holds, and what is deleted was not held."""
    files = [await room.kept() for _ in range(8)]
    room.now += DAYS_KEPT * DAY
    placed, _ = await asyncio.gather(
        asyncio.gather(
            *(room.holds.place(room.who(), file.file.evidence_id, WHY) for file in files), return_exceptions=True
        ),
        room.retention.round(),
    )
    await room.retention.round()
    for file, hold in zip(files, placed, strict=True):
        if isinstance(hold, evidence_pb2.EvidenceHold):
            assert await room.object_of(file) is not None
        else:
            assert isinstance(hold, WrongState)
            assert await room.object_of(file) is None


async def test_a_file_that_no_record_names_is_deleted_after_a_day(room: Room) -> None:
    """The gateway was killed before it could record the decision."""
    orphan, named = await room.kept(named=False), await room.kept()
    room.drained = room.now + 2 * DAY
    room.now += DAY - timedelta(minutes=1)
    await room.retention.round()
    assert await room.object_of(orphan) is not None
    room.now += timedelta(minutes=2)
    await room.retention.round()
    assert await room.object_of(orphan) is None
    assert await room.state(named) == KEPT


async def test_what_never_was_kept_whole_is_deleted_after_a_day(room: Room) -> None:
    file = room.sealed(b"a picture")
    room.store.down = True
    with pytest.raises(StoreDown):
        await room.keeper.keep(file)
    room.store.down = False
    await room.store.put(room.name(file), b"what a killed attempt left")
    room.drained = room.now + 2 * DAY
    room.now += DAY + timedelta(minutes=1)
    await room.retention.round()
    assert await room.object_of(file) is None


async def test_a_file_that_is_kept_while_the_log_is_away_is_kept_for_its_time(room: Room) -> None:
    """Its decision lies in a gateway's spool, and may be in the record days from now."""
    file = room.sealed(b"a picture")
    item = evidence_store_service_pb2.KeepItem(
        context=item_pb2.ItemContext(
            tenant=room.tenant, environment="production", request_id="r-1", decision_id=file.decision_id
        ),
        user_id="author",
        file=file.file,
        sealed=file.sealed,
    )
    with Ports() as ports:
        away = open_cluster(LOOPBACK, ports.pick(21_000), "password")
        log = DecisionLog(away, shards=8, remember_seconds=60, longest_backlog=1000)
        request: Any = evidence_store_service_pb2.KeepEvidenceRequest(items=[item], list=1)
        context: Any = None
        async for response in EvidenceStoreServicer(room.keeper, log).KeepEvidence(request, context):
            assert not response.results[0].HasField("error")
        await away.aclose()
    room.drained = room.now + 5 * DAY
    room.now += 5 * DAY
    await room.retention.round()
    assert await room.state(file) == KEPT
    room.now += DAYS_KEPT * DAY
    await room.retention.round()
    assert await room.state(file) == DELETED


@pytest.mark.parametrize("drained_days", [0, None], ids=["the drain is behind", "the log is away"])
async def test_nothing_is_taken_for_unnamed_while_its_name_may_be_on_the_way(
    room: Room, drained_days: int | None
) -> None:
    file = await room.kept(named=False)
    room.drained = None if drained_days is None else room.now + drained_days * DAY
    room.now += 2 * DAY
    await room.retention.round()
    assert await room.state(file) == KEPT
    await room.record(file)
    room.drained = room.now
    await room.retention.round()
    assert await room.state(file) == KEPT


async def test_a_worker_killed_before_the_object_is_gone_goes_on(room: Room) -> None:
    file = await room.kept()
    room.now += DAYS_KEPT * DAY
    room.store.down = True
    await room.retention.round()
    assert await room.state(file) == DELETED, "it is marked, so nobody is given it any more"
    assert await room.object_of(file) is not None
    room.store.down = False
    await room.retention.round()
    assert await room.object_of(file) is None
    assert (await room.evidence(file)).HasField("gone_time")


@STORES
async def test_a_worker_killed_after_the_object_is_gone_goes_on(room: Room) -> None:
    file = await room.kept()
    room.now += DAYS_KEPT * DAY
    room.store.down = True
    await room.retention.round()
    await room.store.store.delete(room.name(file))
    room.store.down = False
    await room.retention.round()
    assert (await room.evidence(file)).HasField("gone_time")


async def test_what_is_overdue_and_what_is_held_can_be_watched(room: Room) -> None:
    def seen(name: str) -> float | None:
        return REGISTRY.get_sample_value(name)

    await room.kept()
    hold = await room.holds.place(room.who(), (await room.kept()).file.evidence_id, WHY)
    room.now += DAYS_KEPT * DAY
    room.store.down = True
    await room.retention.round()
    assert (seen("evidence_overdue"), seen("evidence_held"), seen("evidence_store_up")) == (1, 1, 0)
    room.store.down = False
    await room.holds.release(room.who(), hold.hold_id, "the case is closed")
    await room.retention.round()
    assert (seen("evidence_overdue"), seen("evidence_held"), seen("evidence_store_up")) == (0, 0, 1)


async def test_a_record_that_no_database_takes_stops_no_other(room: Room) -> None:
    """What `rows_of` calls poison is what Postgres refuses; the rest of the batch is written."""
    good = room.sealed(b"a picture")
    await room.keeper.keep(good)
    record = decision_record_pb2.DecisionRecord(
        decision_id=good.decision_id, tenant=room.tenant, environment="production", evidence=[good.file]
    )
    bad = decision_record_pb2.DecisionRecord()
    bad.CopyFrom(record)
    bad.decision_id = "x" * 36
    rows = rows_of([{RECORD: one.SerializeToString()} for one in (bad, record)])
    await Sink(room.drain_pool).write(rows)
    assert rows.poison == [0]
    assert await Decisions(room.pool).get(room.tenant, "production", good.decision_id) == record


async def test_the_worker_sees_neither_keys_nor_decisions_nor_readings(room: Room) -> None:
    for table in ("decisions", "subject_keys", "evidence_readings"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with room.worker_pool.begin() as connection:
                await connection.exec_driver_sql(f"select * from audit.{table}")
