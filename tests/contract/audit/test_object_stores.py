"""What every object store promises, asked of a folder and of a real S3 server; then what only one of them can do."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from services.audit.evidence.folder import FolderStore
from services.audit.evidence.object_store import ObjectStore, StoreDown, StoreFull, object_name
from tests.contract.audit.conftest import MAX_BYTES, STORES, bucket_of
from tests.support.s3 import S3Server, behind_tls, running_s3
from tools.launcher.certificates import ensure_authority, ensure_certificate

EVIDENCE = "0190a1b2-0000-7000-8000-00000000000a"


def name_in(tenant: str, environment: str = "production", evidence_id: str = EVIDENCE) -> str:
    return object_name(tenant, environment, evidence_id)


def calls(store: ObjectStore) -> list[Callable[[], Awaitable[object]]]:
    name = name_in("any")
    return [partial(store.put, name, b"x"), partial(store.get, name), partial(store.delete, name), store.ping]


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@STORES
async def test_what_was_put_is_got(store: ObjectStore) -> None:
    await store.put(name_in("one"), b"sealed")
    assert await store.get(name_in("one")) == b"sealed"


@STORES
async def test_the_largest_file_fits(store: ObjectStore) -> None:
    data = os.urandom(4 * 1024**2 + 4096)
    await store.put(name_in("large"), data)
    assert await store.get(name_in("large")) == data


@STORES
async def test_nothing_is_none(store: ObjectStore) -> None:
    assert await store.get(name_in("nobody")) is None


@STORES
async def test_a_second_put_replaces_the_first_as_a_whole(store: ObjectStore) -> None:
    await store.put(name_in("twice"), b"the first, which is longer")
    await store.put(name_in("twice"), b"the second")
    assert await store.get(name_in("twice")) == b"the second"


@STORES
async def test_what_was_deleted_is_gone(store: ObjectStore) -> None:
    await store.put(name_in("gone"), b"sealed")
    await store.delete(name_in("gone"))
    assert await store.get(name_in("gone")) is None


@STORES
async def test_what_is_not_there_can_be_deleted(store: ObjectStore) -> None:
    await store.delete(name_in("never"))
    await store.put(name_in("once"), b"sealed")
    await store.delete(name_in("once"))
    await store.delete(name_in("once"))


@STORES
async def test_tenants_and_environments_do_not_meet(store: ObjectStore) -> None:
    names = [name_in("a", "b-c"), name_in("a-b", "c"), name_in("a", "b%2Fc"), name_in("a/b", "c"), name_in("..", "..")]
    for number, name in enumerate(names):
        await store.put(name, bytes([number]))
    assert [await store.get(name) for name in names] == [bytes([number]) for number in range(len(names))]


@STORES
async def test_of_many_who_put_the_same_name_one_wins_whole(store: ObjectStore) -> None:
    candidates = [bytes([number]) * 100_000 for number in range(8)]
    await asyncio.gather(*(store.put(name_in("race"), candidate) for candidate in candidates))
    assert await store.get(name_in("race")) in candidates


@STORES
async def test_it_says_that_it_is_there(store: ObjectStore) -> None:
    assert await store.ping()


@pytest.mark.parametrize("tenant", ["..", ".", "../../etc", "a/../../b", "\0", "ü"])
def test_a_name_stays_below_its_folder(tenant: str) -> None:
    parts = name_in(tenant, tenant).split("/")
    assert len(parts) == 4
    assert not {"", ".", ".."} & set(parts)
    assert all(part.isascii() and part.isprintable() for part in parts)


async def test_a_full_folder_takes_no_more_and_keeps_what_it_has(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, max_bytes=1000)
    await store.put(name_in("first"), b"x" * 600)
    with pytest.raises(StoreFull):
        await store.put(name_in("second"), b"x" * 600)
    assert await store.get(name_in("second")) is None
    await store.delete(name_in("first"))
    await store.put(name_in("second"), b"x" * 600)
    assert await store.get(name_in("second")) == b"x" * 600


async def test_a_disk_that_takes_no_more_leaves_nothing_half_written(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, max_bytes=MAX_BYTES)
    await store.put(name_in("fits"), b"x" * 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreFull):
            await store.put(name_in("too", "large"), b"x" * 2_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == [b"x" * 1000]


async def test_a_folder_is_counted_and_tidied_when_it_is_opened_again(tmp_path: Path) -> None:
    await FolderStore(tmp_path, max_bytes=1000).put(name_in("kept"), b"x" * 600)
    left = tmp_path / "half.1234.part"
    left.write_bytes(b"written by somebody who was killed")
    os.utime(left, (0, 0))
    writing = tmp_path / "half.5678.part"
    writing.write_bytes(b"written by somebody else just now")
    store = FolderStore(tmp_path, max_bytes=1000)
    assert (left.exists(), writing.exists()) == (False, True)
    with pytest.raises(StoreFull):
        await store.put(name_in("more"), b"x" * 600)


async def test_what_was_left_half_written_goes_with_its_object(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, max_bytes=1000)
    await store.put(name_in("killed"), b"x")
    await asyncio.to_thread((tmp_path / f"{name_in('killed')}.1234.part").write_bytes, b"half")
    await store.delete(name_in("killed"))
    assert contents(tmp_path) == []


async def test_a_put_that_was_given_up_still_counts(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, max_bytes=1000)
    putting = asyncio.create_task(store.put(name_in("given-up"), b"x" * 600))
    await asyncio.sleep(0)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    with pytest.raises(StoreFull):
        await store.put(name_in("next"), b"x" * 600)


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    await FolderStore(tmp_path / "evidence", max_bytes=1000).put(name_in("private"), b"x")
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "evidence").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}


async def test_a_folder_that_is_no_folder_any_more_is_down(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "evidence", max_bytes=1000)
    (tmp_path / "evidence").rmdir()
    (tmp_path / "evidence").write_bytes(b"")
    with pytest.raises(StoreDown):
        await store.put(name_in("any"), b"x")


async def test_a_bucket_that_does_not_believe_us_is_down_and_its_words_stay_here(s3: S3Server, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text("another secret")
    store = bucket_of(s3, secret_key_file=wrong)
    for call in calls(store):
        with pytest.raises(StoreDown) as raised:
            await call()
        assert raised.value.message == "the evidence store does not answer"


async def test_a_bucket_that_does_not_exist_is_down(s3: S3Server) -> None:
    store = bucket_of(s3, bucket="another-bucket")
    for call in calls(store):
        with pytest.raises(StoreDown):
            await call()


async def test_a_bucket_is_down_while_its_server_is_and_has_everything_when_it_is_back(tmp_path: Path) -> None:
    with running_s3(tmp_path) as server:
        await bucket_of(server).put(name_in("kept"), b"sealed")
    with pytest.raises(StoreDown):
        await bucket_of(server).get(name_in("kept"))
    with running_s3(tmp_path) as server:
        assert await bucket_of(server).get(name_in("kept")) == b"sealed"


async def test_a_bucket_with_a_private_authority_is_believed_by_it_alone(s3: S3Server, tmp_path: Path) -> None:
    for authority in ("ours", "another"):
        (tmp_path / authority).mkdir()
        ensure_authority(tmp_path / authority)
    ensure_certificate(tmp_path / "ours", "edge", "moat.local")
    async with behind_tls(s3, tmp_path / "ours" / "edge.pem", tmp_path / "ours" / "edge.key") as endpoint:
        believed = bucket_of(s3, endpoint=endpoint, ca_file=tmp_path / "ours" / "ca.pem")
        await believed.put(name_in("private"), b"sealed")
        assert await believed.get(name_in("private")) == b"sealed"
        for ca_file in (None, tmp_path / "another" / "ca.pem"):
            with pytest.raises(StoreDown):
                await bucket_of(s3, endpoint=endpoint, ca_file=ca_file).get(name_in("private"))
