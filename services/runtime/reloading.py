"""What is made from files and made again when they change: term lists, banks, detectors, calibrations, releases.

    lists = Reloading("term_lists", [folder], partial(Terms.load, folder))     # raises: a start on bad files is refused
    lists.current                                                              # always something good
    watch = asyncio.create_task(watching(lists, banks))                        # until it is cancelled

Files that have gone bad change nothing: what was good last stays, loudly (`reloads_total{outcome="bad"}`, `reload_stale`, and an
error in the log), until they are mended. Whoever works with `current` for longer than a moment takes it once and keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from prometheus_client import Counter, Gauge

from services.runtime.logs import log

RELOADS = Counter("reloads_total", "Times that changed files were read again.", ["what", "outcome"])
STALE = Gauge("reload_stale", "1 while the files are bad and what was good last is used.", ["what"])
_LOOK_SECONDS = 1.0

MadeT = TypeVar("MadeT")
MadeT_co = TypeVar("MadeT_co", covariant=True)
Signature = tuple[tuple[str, int, int, int], ...]
"""Path, time, size and inode of each file: it changes when any file does."""


class Current(Protocol[MadeT_co]):
    """Something that may be another one the next time."""

    @property
    def current(self) -> MadeT_co:
        """What holds now. Never changes in itself."""


class Fixed(Generic[MadeT]):
    """A `Current` that stays: for tools and tests."""

    def __init__(self, made: MadeT) -> None:
        """`made` is what holds."""
        self.current = made


class Reloading(Generic[MadeT]):
    """A `Current` made from files. Belongs to one event loop; `current` may be read from any thread."""

    def __init__(
        self,
        what: str,
        paths: Sequence[Path],
        make: Callable[[], MadeT],
        *,
        endings: Sequence[str] = (".yaml",),
        changed: Callable[[MadeT], None] | None = None,
    ) -> None:
        """Makes the first one; raises what `make` raises.

        Args:
            what: names it in metrics and logs; from a small closed set.
            paths: files, and folders in which files with `endings` count, at any depth. They need not exist.
            make: reads the files. Called in a thread after the start, so it must not touch what others change.
            endings: of file names.
            changed: hears of each new one, in the event loop, after `current` has changed. Not of the first.
        """
        self._what = what
        self._paths = tuple(paths)
        self._make = make
        self._endings = tuple(endings)
        self._changed = changed
        # Before they are read: what changes meanwhile is read again.
        self._seen = signature(self._paths, self._endings)
        self.current: MadeT = make()
        STALE.labels(what).set(0)

    async def look(self) -> bool:
        """Makes it anew if the files have changed since the last time. Says whether there is a new one. Raises nothing."""
        try:
            seen = await asyncio.to_thread(signature, self._paths, self._endings)
            if seen == self._seen:
                return False
            self._seen = seen
            self.current = await asyncio.to_thread(self._make)
            if self._changed is not None:
                self._changed(self.current)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, what was good last stays
            RELOADS.labels(self._what, "bad").inc()
            STALE.labels(self._what).set(1)
            log.error("reload_bad_last_good_used", what=self._what, error=str(error))
            return False
        RELOADS.labels(self._what, "good").inc()
        STALE.labels(self._what).set(0)
        log.info("reloaded", what=self._what)
        return True


class Looks(Protocol):
    """What can be watched."""

    async def look(self) -> bool:
        """See `Reloading.look`."""


async def watching(*reloading: Looks) -> None:
    """Looks at each of them every second, until it is cancelled."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        for one in reloading:
            await one.look()


def signature(paths: Sequence[Path], endings: Sequence[str]) -> Signature:
    """Of the files as they are now. Costs a `stat` a file; a file that goes meanwhile is left out."""
    seen = []
    for path in _files(paths, tuple(endings)):
        try:
            about = path.stat()
        except FileNotFoundError:
            continue
        seen.append((str(path), about.st_mtime_ns, about.st_size, about.st_ino))
    return tuple(seen)


def _files(paths: Sequence[Path], endings: tuple[str, ...]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.name.endswith(endings) and one.is_file())
        else:
            yield path
