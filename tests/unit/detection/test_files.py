"""What detection reads, as `--check-config` looks at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.detection.files import check, live_detectors, live_terms
from services.detection.settings import DetectionSettings
from tests.support.detectors import write
from tests.support.topologies import example_topology


@pytest.fixture
def settings(tmp_path: Path) -> DetectionSettings:
    for name in ("lists", "detectors", "banks", "detection/lists", "detection/detectors"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tenants.yaml").write_text("arena: {}\nharbor: {}\n")
    return DetectionSettings(lists=tmp_path / "lists", detectors=tmp_path / "detectors", banks=tmp_path / "banks")


def test_all_is_well_where_nothing_is_wrong(tmp_path: Path, settings: DetectionSettings) -> None:
    write(tmp_path / "detectors", "one", uses="phone_number_or_address_shared", tenants=["arena"])
    check(example_topology(tmp_path), settings)


@pytest.mark.parametrize("where", ["detectors", "detection/detectors"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"uses": "nothing"}, r"one\.yaml: uses: there is no detector"),
        ({"tenants": ["arean"]}, r"one\.yaml: tenants \['arean'\] are not in the tenants' file; there are .*arena"),
        ({"budget": {"tenants": {"arean": 5}, "cost_micros": 1}}, r"tenants \['arean'\]"),
    ],
)
def test_a_detectors_mistake_is_named(
    tmp_path: Path, settings: DetectionSettings, where: str, fields: dict[str, object], said: str
) -> None:
    write(tmp_path / where, "one", **{"uses": "phone_number_or_address_shared", **fields})
    with pytest.raises(ValueError, match=said):
        check(example_topology(tmp_path), settings)


def test_a_detector_that_is_off_may_be_for_anybody(tmp_path: Path, settings: DetectionSettings) -> None:
    write(tmp_path / "detectors", "one", uses="phone_number_or_address_shared", tenants=["later"], enabled=False)
    check(example_topology(tmp_path), settings)


@pytest.mark.parametrize("where", ["lists", "detection/lists"])
def test_a_lists_mistake_is_named(tmp_path: Path, settings: DetectionSettings, where: str) -> None:
    entries = "entries: [{id: e, category: hate, terms: [x]}]"
    (tmp_path / where / "own.yaml").write_text(f"id: own\nversion: '1'\ntenant: arean\n{entries}")
    with pytest.raises(ValueError, match=r"term lists: tenants \['arean'\] are not in the tenants' file"):
        check(example_topology(tmp_path), settings)
    (tmp_path / where / "own.yaml").write_text("id: own")
    with pytest.raises(ValueError, match=r"own\.yaml"):
        check(example_topology(tmp_path), settings)


async def test_lists_and_detectors_follow_both_folders(tmp_path: Path, settings: DetectionSettings) -> None:
    topology = example_topology(tmp_path)
    terms = live_terms(topology, settings)
    detectors, files = live_detectors(topology, settings)
    assert terms.current.find("darn") == []
    for where in ("lists", "detection/lists"):
        (tmp_path / where / "own.yaml").write_text(
            f"id: own\nversion: '1'\nentries: [{{id: {where[:4]}, category: hate, terms: [darn]}}]"
        )
        assert await terms.look()
    assert {hit.entry_id for hit in terms.current.find("darn")} == {"list", "dete"}
    write(tmp_path / "detection/detectors", "one", uses="phone_number_or_address_shared")
    assert await files.look()
    assert [one.document.name for one in files.current] == ["one"]
    await detectors.close()
