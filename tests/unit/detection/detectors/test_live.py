"""Detectors that are on: for whom, and what becomes of them when their files change."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.port import Kind
from services.runtime.reloading import Reloading
from tests.support.detectors import INSULT, Scripted, read, text, write


def names(
    live: LiveDetectors,
    kind: Kind = Kind.TEXT,
    *,
    tenant: str = "t",
    environment: str = "production",
    surface: str = "chat",
) -> list[str]:
    panel = live.panel(kind, tenant=tenant, environment=environment, surface=surface)
    return [] if panel is None else [one.document.name for one in panel.detectors]


async def test_nobody_is_asked_unless_a_file_switches_it_on(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted", enabled=False)
    scripted = Scripted()
    live = LiveDetectors(read(tmp_path, scripted))
    assert names(live) == []
    assert scripted.opened == [], "nothing is opened that is off"


@pytest.mark.parametrize(
    ("fields", "whose", "asked"),
    [
        ({}, {}, True),
        ({"tenants": ["t", "u"]}, {}, True),
        ({"tenants": ["u"]}, {}, False),
        ({"tenants": ["u"]}, {"tenant": ""}, False),
        ({"environments": ["staging"]}, {}, False),
        ({"environments": ["staging"]}, {"environment": "staging"}, True),
        ({"surfaces": ["username"]}, {}, False),
        ({"surfaces": ["username"]}, {"surface": "username"}, True),
        ({"kinds": ["image"]}, {}, False),
        ({"tenants": ["t"], "surfaces": ["username"]}, {}, False),
    ],
)
async def test_a_detector_looks_at_what_its_file_says_alone(
    tmp_path: Path, fields: dict[str, object], whose: dict[str, str], *, asked: bool
) -> None:
    write(tmp_path, "one", uses="scripted", **fields)
    live = LiveDetectors(read(tmp_path, Scripted()))
    assert names(live, Kind.TEXT, **whose) == (["one"] if asked else [])


async def test_who_is_asked_for_one_tenant_says_nothing_of_another(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted", tenants=["t"])
    write(tmp_path, "two", uses="scripted", surfaces=["username"])
    live = LiveDetectors(read(tmp_path, Scripted()))
    for _ in range(2):
        assert names(live) == ["one"]
        assert names(live, tenant="u") == []
        assert names(live, tenant="u", surface="username") == ["two"]
        assert names(live, surface="username") == ["one", "two"]
        assert names(live, surface="a surface nobody has heard of") == ["one"]
        assert names(live, Kind.IMAGE) == ["one"]


async def test_the_version_of_a_panel_changes_with_what_is_on_it(tmp_path: Path) -> None:
    def version() -> str:
        panel = LiveDetectors(read(tmp_path, Scripted())).panel(Kind.TEXT, tenant="t", environment="", surface="")
        assert panel is not None
        return panel.version

    write(tmp_path, "one", uses="scripted")
    versions = [version()]
    write(tmp_path, "two", uses="scripted")
    versions.append(version())
    write(tmp_path, "one", uses="scripted", categories=[INSULT])
    versions.append(version())
    assert len(set(versions)) == 3


async def test_a_file_that_changes_changes_its_detector_and_no_other(tmp_path: Path) -> None:
    kept, changed = Scripted(), Scripted()
    write(tmp_path, "kept", uses="scripted", breaker={"failures": 1})
    write(tmp_path, "changed", uses="scripted1", budget={"micros_a_day": 100, "cost_micros": 60})
    make = partial(read, tmp_path, kept, changed)
    live = LiveDetectors()
    files = Reloading("test_detectors", [tmp_path], make, changed=live.change)
    live.change(files.current)
    before = {one.document.name: one for one in live.panel(Kind.TEXT, tenant="t", environment="", surface="").detectors}  # type: ignore[union-attr]
    one = before["kept"].breaker.enter()
    assert one is not None
    before["kept"].breaker.failed(one)
    assert (await before["changed"].ask(text("gg"), deadline=None)).state == "answered"

    write(tmp_path, "changed", uses="scripted1", budget={"micros_a_day": 110, "cost_micros": 60})
    assert await files.look()
    after = {one.document.name: one for one in live.panel(Kind.TEXT, tenant="t", environment="", surface="").detectors}  # type: ignore[union-attr]
    assert after["kept"] is before["kept"], "with its breaker open"
    assert (await after["kept"].ask(text("gg"), deadline=None)).state == "unavailable"
    assert after["changed"] is not before["changed"]
    assert (await after["changed"].ask(text("gg"), deadline=None)).state == "over_budget", "what is spent stays spent"
    await live.close()
    assert (len(kept.opened), kept.closed) == (1, 1)
    assert (len(changed.opened), changed.closed) == (2, 2)


async def test_a_bad_file_leaves_the_detectors_that_were_good(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted")
    live = LiveDetectors()
    files = Reloading("test_bad_detectors", [tmp_path], partial(read, tmp_path, Scripted()), changed=live.change)
    live.change(files.current)
    write(tmp_path, "two", uses="nothing_that_there_is")
    assert not await files.look()
    assert names(live) == ["one"]
    write(tmp_path, "two", uses="scripted")
    assert await files.look()
    assert names(live) == ["one", "two"]
    (tmp_path / "one.yaml").unlink()
    assert await files.look()
    assert names(live) == ["two"]


async def test_who_is_being_asked_while_its_file_goes_still_answers(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted")
    scripted = Scripted()
    live = LiveDetectors(read(tmp_path, scripted))
    panel = live.panel(Kind.TEXT, tenant="t", environment="", surface="")
    assert panel is not None
    asking = asyncio.create_task(panel.detectors[0].ask(text("bad"), deadline=None))
    await asyncio.sleep(0)
    live.change(())
    assert names(live) == []
    assert (await asking).state == "answered"
    assert (await panel.detectors[0].ask(text("bad"), deadline=None)).state == "answered", (
        "as may who held its panel before"
    )
    await live.close()
    assert scripted.closed == 1
