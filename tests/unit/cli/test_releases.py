"""`moat releases` where no mesh runs: files change, and everything that cannot be is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.detection.releases.document import Canary, Shadow
from services.detection.releases.loading import BadRelease
from services.detection.settings import DetectionSettings
from tests.support.releases import OTHER, Copied
from tests.support.topologies import example_topology
from tools.releases.operator import NotTaken, Operator


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Copied:
    made = Copied(tmp_path_factory.mktemp("models"))
    made.add_other()
    return made


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def operator(copied: Copied, tmp_path: Path, told: list[str]) -> Operator:
    (tmp_path / "detection").mkdir()
    made = Operator(example_topology(tmp_path), running=False, tell=told.append)
    places = copied.places
    made.settings = DetectionSettings(
        plan=copied.plan, releases=places.releases, fast_text=places.fast_text, deep_text=places.deep_text
    )
    return made


async def test_a_switch_holds_from_the_next_start_and_can_be_taken_back(
    operator: Operator, copied: Copied, told: list[str]
) -> None:
    await operator.switch(OTHER)
    assert operator.plan.live.name == OTHER
    assert "the mesh is down: this holds from its next start" in told
    assert await operator.roll_back() == copied.live.name
    assert operator.plan.live.name == copied.live.name
    with pytest.raises(BadRelease, match="no switch is left"):
        await operator.roll_back()
    assert [(one.what, one.before, one.plan.live) for one in operator.history.entries()] == [
        ("switch", copied.live.name, OTHER),
        ("rollback", OTHER, copied.live.name),
    ]


async def test_what_is_tried_and_becomes_live_is_tried_no_more(operator: Operator) -> None:
    await operator.canary(Canary(release=OTHER, percent=5, seed="a", tenants=frozenset({"demo"})))
    await operator.shadow(Shadow(release=OTHER))
    assert operator.plan.document.canary == Canary(release=OTHER, percent=5, seed="a", tenants=frozenset({"demo"}))
    await operator.switch(OTHER)
    assert operator.plan.document.releases == (OTHER,)


async def test_a_roll_back_ends_what_is_tried(operator: Operator, copied: Copied) -> None:
    await operator.switch(OTHER)
    await operator.canary(Canary(release=copied.live.name, percent=5))
    await operator.roll_back()
    assert operator.plan.document.canary is None


async def test_what_is_configured_beside_stays(operator: Operator, copied: Copied) -> None:
    configured = copied.plan.read_text()
    copied.plan.write_text(f"{configured}limits: {{hate: [0.6]}}\n")
    try:
        await operator.switch(OTHER)
    finally:
        copied.plan.write_text(configured)
    assert operator.plan.document.limits == {"hate": (0.6,)}


async def test_a_release_whose_files_are_not_right_does_not_become_live(operator: Operator, copied: Copied) -> None:
    cascade = copied.places.fast_text / "9" / "cascade.json"
    right = cascade.read_bytes()
    cascade.write_bytes(right + b" ")
    try:
        with pytest.raises(BadRelease, match=r"cascade\.json"):
            await operator.switch(OTHER)
    finally:
        cascade.write_bytes(right)
    assert operator.plan.live.name == copied.live.name
    assert operator.history.entries() == []


async def test_the_live_release_cannot_be_tried_or_switched_to(operator: Operator, copied: Copied) -> None:
    with pytest.raises(ValueError, match="is live"):
        await operator.canary(Canary(release=copied.live.name, percent=5))
    with pytest.raises(BadRelease, match="live already"):
        await operator.switch(copied.live.name)


async def test_one_command_works_at_a_time(operator: Operator) -> None:
    with operator._locked(), pytest.raises(NotTaken, match="another"):
        await operator.switch(OTHER)
