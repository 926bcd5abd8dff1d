"""Budgets: set aside before they are spent, a day (UTC) and tenant each."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from services.detection.detectors.document import Budget
from services.detection.detectors.ledger import Ledger

BUDGET = Budget(micros_a_day=100, tenants={"rich": 1000, "none": 0}, cost_micros=40)


class Days:
    def __init__(self) -> None:
        self.day = datetime.date(2026, 11, 27)

    def __call__(self) -> datetime.date:
        return self.day


def takes(ledger: Ledger, tenant: str = "t", detector: str = "d", budget: Budget = BUDGET) -> bool:
    return ledger.take(detector, tenant, budget) is not None


def test_no_more_is_spent_in_a_day_than_the_budget_has() -> None:
    ledger = Ledger(day=Days())
    assert [takes(ledger) for _ in range(4)] == [True, True, False, False]
    assert ledger.spent("d", "t") == 80


def test_tenants_and_detectors_have_budgets_of_their_own() -> None:
    ledger = Ledger(day=Days())
    assert [takes(ledger) for _ in range(3)] == [True, True, False]
    assert takes(ledger, "other")
    assert takes(ledger, detector="other")
    assert sum(takes(ledger, "rich") for _ in range(99)) == 25
    assert not takes(ledger, "none")


def test_without_a_bound_it_is_only_counted() -> None:
    ledger = Ledger(day=Days())
    assert all(takes(ledger, budget=Budget(cost_micros=5)) for _ in range(1000))
    assert ledger.spent("d", "t") == 5000


def test_what_was_set_aside_becomes_what_was_spent() -> None:
    days = Days()
    ledger = Ledger(day=days)
    for spent, whole in ((0, 0), (10, 10), (95, 105)):
        day = ledger.take("d", "t", BUDGET)
        assert day == days.day
        ledger.settle("d", "t", day, taken=40, spent=spent)
        assert ledger.spent("d", "t") == whole
    assert not takes(ledger)


def test_a_new_day_begins_with_nothing_spent_and_yesterdays_answers_do_not_count() -> None:
    days = Days()
    ledger = Ledger(day=days)
    yesterday = ledger.take("d", "t", BUDGET)
    assert yesterday is not None
    assert takes(ledger)
    assert not takes(ledger)
    days.day += datetime.timedelta(days=1)
    assert ledger.spent("d", "t") == 0
    assert takes(ledger)
    ledger.settle("d", "t", yesterday, taken=40, spent=90)
    ledger.settle("d", "t", yesterday, taken=40, spent=0)
    assert ledger.spent("d", "t") == 40


async def test_a_restart_brings_nothing_back_that_was_spent(tmp_path: Path) -> None:
    days, file = Days(), tmp_path / "spent.json"
    ledger = Ledger(file, day=days)
    assert takes(ledger)
    assert takes(ledger, "rich")
    await ledger.save()
    again = Ledger(file, day=days)
    assert again.spent("d", "t") == again.spent("d", "rich") == 40
    assert [takes(again), takes(again)] == [True, False]
    await again.save()
    days.day += datetime.timedelta(days=1)
    assert Ledger(file, day=days).spent("d", "t") == 0


async def test_it_is_written_when_it_has_changed_alone(tmp_path: Path) -> None:
    file = tmp_path / "spent.json"
    ledger = Ledger(file, day=Days())
    await ledger.save()
    assert not file.exists()
    assert takes(ledger)
    await ledger.save()
    file.unlink()
    await ledger.save()
    assert not file.exists()


@pytest.mark.parametrize("content", [b"", b"{", b'{"2026-11-27": {"d": {"t": "much"}}}', b"\xff"])
async def test_a_ledger_that_cannot_be_read_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "spent.json"
    file.write_bytes(content)
    ledger = Ledger(file, day=Days())
    assert takes(ledger)
    await ledger.save()
    assert Ledger(file, day=Days()).spent("d", "t") == 40


async def test_a_disk_that_cannot_be_written_to_harms_nobody(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "gone" / "spent.json", day=Days())
    assert takes(ledger)
    await ledger.save()
    assert takes(ledger)
