"""What was done, and what to go back to."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.detection.releases.document import Canary, PlanDocument
from services.detection.releases.history import History, release_before
from services.detection.releases.loading import BadRelease


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.jsonl")


def switch(history: History, before: str, after: str, what: str = "switch") -> None:
    history.add("ann", what, before=before, plan=PlanDocument(live=after))


def test_what_was_done_stays_as_it_was_written(history: History) -> None:
    assert history.entries() == []
    canary = PlanDocument(live="text-2", canary=Canary(release="text-3", percent=5))
    written = [history.add("ann", "canary", before="text-2", plan=canary)]
    first = history.path.read_bytes()
    written.append(history.add("bob", "switch", before="text-2", plan=PlanDocument(live="text-3")))
    assert history.entries() == written
    assert history.path.read_bytes().startswith(first)


def test_the_way_back_leads_through_every_switch_once(history: History) -> None:
    assert release_before(history.entries()) == ""
    switch(history, "text-1", "text-2")
    switch(history, "text-2", "text-3")
    assert release_before(history.entries()) == "text-2"
    switch(history, "text-3", "text-2", "rollback")
    assert release_before(history.entries()) == "text-1", "not to what was just rolled back"
    switch(history, "text-2", "text-1", "rollback")
    assert release_before(history.entries()) == ""


def test_what_is_only_tried_is_no_way_back(history: History) -> None:
    canary = PlanDocument(live="text-2", canary=Canary(release="text-3", percent=5))
    history.add("ann", "canary", before="text-2", plan=canary)
    assert release_before(history.entries()) == ""


def test_a_line_of_somebody_else_is_named(history: History) -> None:
    switch(history, "text-1", "text-2")
    with history.path.open("a") as file:
        file.write("yesterday I tried something\n")
    with pytest.raises(BadRelease, match="line 2"):
        history.entries()
