"""What has been spent today (UTC), by detector and tenant, in this replica: each has a ledger of its own."""

from __future__ import annotations

import asyncio
import datetime
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from services.detection.detectors.document import Budget
from services.runtime.logs import log

_SAVE_SECONDS = 1.0
_Pages = TypeAdapter(dict[datetime.date, dict[str, dict[str, int]]])
"""By day, detector and tenant."""


def today() -> datetime.date:
    """In UTC."""
    return datetime.datetime.now(datetime.UTC).date()


class Ledger:
    """Outlives the detectors that spend, and with a file the process: neither a change nor a restart brings back what is spent.
    Belongs to one event loop."""

    def __init__(self, file: Path | None = None, *, day: Callable[[], datetime.date] = today) -> None:
        """Goes on where `file` ends, if that is of today. One that cannot be read counts as empty, loudly."""
        self._file = file
        self._day = day
        self._of = day()
        self._spent: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._saved: Mapping[tuple[str, str], int] = {}
        if file is not None and file.exists():
            self._spent.update(_read(file, self._of))
            self._saved = dict(self._spent)

    def spent(self, detector: str, tenant: str) -> int:
        """Micros of today."""
        self._turn()
        return self._spent.get((detector, tenant), 0)

    def take(self, detector: str, tenant: str, budget: Budget) -> datetime.date | None:
        """Sets the cost of one question aside; None when that is more than is left. The day is what `settle` wants to know."""
        self._turn()
        bound = budget.tenants.get(tenant, budget.micros_a_day)
        if bound is not None and self._spent[detector, tenant] + budget.cost_micros > bound:
            return None
        self._spent[detector, tenant] += budget.cost_micros
        return self._of

    def settle(self, detector: str, tenant: str, day: datetime.date, *, taken: int, spent: int) -> None:
        """What was set aside (`taken`) on `day` has cost `spent`. Yesterday's is of no interest any more."""
        self._turn()
        if day == self._of:
            self._spent[detector, tenant] = max(0, self._spent[detector, tenant] + spent - taken)

    async def keep(self) -> None:
        """Saves what has changed, every second, until it is cancelled: a process that is killed forgets a second."""
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Writes the file, if anything has changed. A disk that is full costs the memory of it and nothing else."""
        spent = {of: micros for of, micros in self._spent.items() if micros}
        if self._file is None or spent == self._saved:
            return
        try:
            await asyncio.to_thread(_write, self._file, self._of, spent)
        except OSError as error:
            log.error("ledger_not_saved", error=type(error).__name__)
            return
        self._saved = spent

    def _turn(self) -> None:
        day = self._day()
        if day != self._of:
            self._of = day
            self._spent.clear()


def _read(file: Path, day: datetime.date) -> dict[tuple[str, str], int]:
    try:
        pages = _Pages.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        log.error("ledger_unreadable", error=type(error).__name__)
        return {}
    return {
        (detector, tenant): micros
        for detector, tenants in pages.get(day, {}).items()
        for tenant, micros in tenants.items()
    }


def _write(file: Path, day: datetime.date, spent: Mapping[tuple[str, str], int]) -> None:
    page: dict[str, dict[str, int]] = {}
    for (detector, tenant), micros in sorted(spent.items()):
        page.setdefault(detector, {})[tenant] = micros
    new = file.with_suffix(".new")
    new.write_bytes(_Pages.dump_json({day: page}))
    new.replace(file)
