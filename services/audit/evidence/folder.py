"""Objects as files of one folder: for one machine, or for a volume that several mount."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from services.audit.evidence.metrics import STORED_BYTES
from services.audit.evidence.object_store import StoreDown, StoreFull
from services.runtime.logs import log

AnswerT = TypeVar("AnswerT")
_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_UNFINISHED = ".part"
"""Ends the name of a file that is being written. No object's name has a dot."""
_ABANDONED_SECONDS = 3600


class FolderStore:
    """Written beside its place, synced, then renamed: after a power cut an object is there whole or not at all."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        """`max_bytes`: what all objects may take together. Makes the folder if it is missing; counts what is there and removes
        what was never finished. Raises OSError."""
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync_folder(folder.parent)
        self._bytes = _tidy(folder)
        self._writing = asyncio.Lock()
        STORED_BYTES.set(self._bytes)

    async def put(self, name: str, data: bytes) -> None:
        """See ObjectStore."""
        await _to_its_end(self._put_counted(name, data))

    async def get(self, name: str) -> bytes | None:
        """See ObjectStore."""
        return await _in_thread(self._get, name)

    async def delete(self, name: str) -> None:
        """See ObjectStore."""
        await _to_its_end(self._delete_counted(name))

    async def ping(self) -> bool:
        """See ObjectStore."""
        return await _in_thread(os.access, self._folder, os.W_OK)

    async def _put_counted(self, name: str, data: bytes) -> None:
        async with self._writing:
            if len(data) > self._max_bytes - self._bytes:
                raise StoreFull
            self._count(await _in_thread(self._put, name, data))

    async def _delete_counted(self, name: str) -> None:
        async with self._writing:
            self._count(-await _in_thread(self._delete, name))

    def _count(self, grown: int) -> None:
        self._bytes += grown
        STORED_BYTES.set(self._bytes)

    def _put(self, name: str, data: bytes) -> int:
        place = self._folder / name
        replaced = _size(place)
        self._make_folder(place.parent)
        unfinished = place.with_name(f"{place.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        try:
            _write_synced(unfinished, data)
            unfinished.replace(place)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_folder(place.parent)
        return len(data) - replaced

    def _get(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _delete(self, name: str) -> int:
        place = self._folder / name
        size = _size(place)
        if place.parent.is_dir():
            for unfinished in place.parent.glob(f"{place.name}.*{_UNFINISHED}"):
                unfinished.unlink(missing_ok=True)
            place.unlink(missing_ok=True)
            _sync_folder(place.parent)
        return size

    def _make_folder(self, folder: Path) -> None:
        """Each new one is an entry of the one above it, which must reach the disk as well."""
        if folder == self._folder or folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Whoever waits may give up; a thread cannot, and what it has written must be counted."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(task)


async def _in_thread(work: Callable[..., AnswerT], *arguments: object) -> AnswerT:
    try:
        return await asyncio.to_thread(work, *arguments)
    except OSError as error:
        log.error("evidence_folder_failed", error=errno.errorcode.get(error.errno or 0, "?"))
        raise StoreFull() if error.errno in _NO_ROOM else StoreDown() from error


def _tidy(folder: Path) -> int:
    """Removes what was being written when somebody was killed; returns the bytes of the rest. Who shares the folder may be
    writing just now."""
    held = 0
    long_ago = time.time() - _ABANDONED_SECONDS
    for place in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if not place.name.endswith(_UNFINISHED):
                held += place.stat().st_size if place.is_file() else 0
            elif place.stat().st_mtime < long_ago:
                place.unlink()
    return held


def _size(place: Path) -> int:
    try:
        return place.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _write_synced(place: Path, data: bytes) -> None:
    with place.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
