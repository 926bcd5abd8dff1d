"""Calibrations as files: read strictly, replaced whole, found again by their hash, good ones kept while others are bad."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from services.routing.calibration.folder import BY_HASH, FOLDER, Archive, BadCalibration, read, read_all, write
from services.routing.calibration.loading import Loader
from services.runtime.reloading import Reloading
from tests.support.calibrations import calibration
from tests.unit.routing.test_policy import policy

POLICY = policy().document


def test_what_is_written_is_read_again_bit_for_bit(tmp_path: Path) -> None:
    made = calibration(POLICY)
    path = write(tmp_path, made)
    assert path == tmp_path / "demo" / "production" / "chat.yaml"
    assert read(path) == made
    assert read(path).content_hash == made.content_hash
    assert read_all([tmp_path, tmp_path / "not there"]) == [made]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"limits": {}}, "limits"),
        ({"tenant": "../etc"}, "tenant"),
        ({"more": 1}, "more"),
        ({"confidence": 0.2}, "confidence"),
        ({"made": "yesterday"}, "made"),
    ],
)
def test_a_file_that_cannot_be_names_itself_and_the_field(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    document = calibration(POLICY).model_dump(mode="json") | change
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(BadCalibration, match=rf"one\.yaml(.|\n)*{problem}"):
        read_all([tmp_path])


def test_a_limit_on_a_category_without_a_score_is_refused(tmp_path: Path) -> None:
    document = calibration(POLICY).model_dump(mode="json")
    document["limits"]["hate"]["category"] = "weather"
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(BadCalibration, match="weather"):
        read_all([tmp_path])


def test_two_files_of_one_place_are_refused_and_both_named(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", calibration(POLICY)), write(tmp_path / "b", calibration(POLICY))
    with pytest.raises(BadCalibration, match=rf"{second}.*{first}"):
        read_all([tmp_path / "a", tmp_path / "b"])


def test_an_old_one_is_found_by_its_hash_when_another_is_in_force(tmp_path: Path) -> None:
    load = Loader(tmp_path / "config", tmp_path / "state", POLICY)
    old, new = calibration(POLICY), calibration(POLICY, target=0.06)
    for one in (old, new):
        write(tmp_path / "state" / FOLDER, one)
        assert [applied.name for applied in load().applied] == [one.reference_name]
    archive = Archive(tmp_path / "state" / BY_HASH)
    assert [archive.find(one.content_hash) for one in (old, new)] == [old, new]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "0" * 64])
def test_a_hash_that_no_calibration_had_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadCalibration):
        Archive(tmp_path).find(name)


async def test_bad_files_leave_the_last_good_in_force_and_so_does_a_start_on_them(tmp_path: Path) -> None:
    load = Loader(tmp_path / "config", tmp_path / "state", POLICY)
    live = Reloading("calibrations", load.folders, load)
    assert not live.current
    made = calibration(POLICY)
    path = write(load.folders[1], made)
    assert await live.look()
    path.write_text("tenant: [half a")
    assert not await live.look()
    assert [one.name for one in live.current.applied] == [made.reference_name]

    again = Loader(tmp_path / "config", tmp_path / "state", POLICY)
    assert [one.name for one in again().applied] == [made.reference_name]
    with pytest.raises(BadCalibration, match=str(path)):
        again()


def test_a_first_start_on_bad_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "one.yaml").write_text("{}")
    with pytest.raises(BadCalibration, match=r"one\.yaml"):
        Loader(tmp_path / "config", tmp_path / "state", POLICY)()
