"""What has been spent today (UTC), by detector and tenant. In this replica: each has its own, and a restart begins anew."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable

from services.detection.detectors.document import Budget


def today() -> datetime.date:
    """In UTC."""
    return datetime.datetime.now(datetime.UTC).date()


class Ledger:
    """Outlives the detectors that spend: a file that changes does not bring back what is spent. Belongs to one event loop."""

    def __init__(self, *, day: Callable[[], datetime.date] = today) -> None:
        """Nothing is spent."""
        self._day = day
        self._of = day()
        self._spent: defaultdict[tuple[str, str], int] = defaultdict(int)

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

    def _turn(self) -> None:
        day = self._day()
        if day != self._of:
            self._of = day
            self._spent.clear()
