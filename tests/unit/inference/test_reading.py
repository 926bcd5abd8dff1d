"""The reader's own code: what runs inside Triton, imported here without it. Its networks are asked in tests/integration."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

FOLDER = Path(__file__).resolve().parents[3] / "inference" / "model_repository" / "image_text" / "1"


def imported(name: str) -> Iterator[ModuleType]:
    """As Triton's stub finds it: beside model.py, by its bare name."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def boxes() -> Iterator[ModuleType]:
    yield from imported("boxes")


@pytest.fixture(scope="module")
def letters() -> Iterator[ModuleType]:
    yield from imported("letters")


@pytest.fixture(scope="module")
def weights() -> Iterator[ModuleType]:
    yield from imported("weights")


def drawn(
    *polygons: list[tuple[float, float]], size: tuple[int, int] = (320, 200)
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    image = Image.new("L", size)
    for polygon in polygons:
        ImageDraw.Draw(image).polygon(polygon, fill=255)
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def test_a_blot_becomes_a_box_that_has_grown_on_all_sides(boxes: ModuleType) -> None:
    (box,) = boxes.boxes_of(drawn([(40, 50), (200, 50), (200, 70), (40, 70)]))
    left, top, right, bottom = box.upright
    assert (left < 32, right > 208) == (True, True)
    assert (top < 44, bottom > 76) == (True, True)
    assert box.angle == pytest.approx(0, abs=0.01)
    assert not box.standing


@pytest.mark.parametrize("degrees", [-40, -15, 10, 30])
def test_a_turned_line_has_a_turned_box(boxes: ModuleType, degrees: int) -> None:
    turn = np.deg2rad(degrees)
    along, down = np.array([np.cos(turn), np.sin(turn)]) * 60, np.array([-np.sin(turn), np.cos(turn)]) * 8
    middle = np.array([160, 100])
    corners = [middle - along - down, middle + along - down, middle + along + down, middle - along + down]
    (box,) = boxes.boxes_of(drawn([(float(x), float(y)) for x, y in corners]))
    assert np.rad2deg(box.angle) == pytest.approx(degrees, abs=2)
    assert (box.x, box.y) == pytest.approx((160, 100), abs=2)
    assert box.width > 3 * box.height


def test_a_line_that_runs_upwards_is_standing(boxes: ModuleType) -> None:
    (box,) = boxes.boxes_of(drawn([(50, 20), (66, 20), (66, 180), (50, 180)]))
    assert box.standing


def test_lines_that_do_not_touch_are_two(boxes: ModuleType) -> None:
    found = boxes.boxes_of(
        drawn([(40, 50), (200, 50), (200, 65), (40, 65)], [(40, 70), (200, 70), (200, 85), (40, 85)])
    )
    assert len(found) == 2


def test_unsure_blots_and_specks_are_dropped(boxes: ModuleType) -> None:
    unsure = drawn([(40, 50), (200, 50), (200, 70), (40, 70)]) * 0.4
    speck = drawn([(10, 10), (11, 10), (11, 11), (10, 11)])
    assert boxes.boxes_of(np.maximum(unsure, speck)) == []


@given(mask=arrays.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))))
def test_every_pixel_is_in_one_blot_and_neighbours_share_it(
    boxes: ModuleType, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> None:
    number = np.zeros(mask.shape, dtype=int)
    for blot, (rows, starts, ends) in enumerate(boxes.blots(mask), start=1):
        for row, start, end in zip(rows, starts, ends, strict=True):
            assert not number[row, start:end].any()
            number[row, start:end] = blot
    assert np.array_equal(number > 0, mask)
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = number[: mask.shape[0] - down, max(0, -across) : mask.shape[1] - max(0, across)]
        other = number[down:, max(0, across) : mask.shape[1] + min(0, across)]
        both = (one > 0) & (other > 0)
        assert np.array_equal(one[both], other[both])


@given(mask=arrays.arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_a_box_holds_its_blot(boxes: ModuleType, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
    for rows, starts, ends in boxes.blots(mask):
        left, top, right, bottom = boxes.smallest_box(rows, starts, ends).upright
        assert left <= starts.min() + 0.01
        assert right >= ends.max() - 0.01
        assert top <= rows.min() + 0.01
        assert bottom >= rows.max() + 0.99


def test_lines_are_read_from_the_top_and_each_row_from_its_left(boxes: ModuleType) -> None:
    def at(x: float, y: float) -> object:
        return boxes.Box(x, y, 80, 20, 0.0)

    order = boxes.in_reading_order([at(300, 52), at(100, 120), at(100, 50), at(200, 12)])
    assert order == [3, 2, 0, 1]


def spoken(letters: ModuleType, *steps: str, alphabet: str = "-ab ") -> tuple[str, float]:
    likely = np.full((len(steps), len(alphabet)), 0.05, dtype=np.float32)
    for row, letter in enumerate(steps):
        likely[row, alphabet.index(letter)] = 0.85
    found: tuple[str, float] = letters.spelt(likely, ["", *alphabet[1:]])
    return found


def test_repeated_steps_are_one_letter_and_a_blank_parts_two(letters: ModuleType) -> None:
    assert spoken(letters, "-", "a", "a", "-", "a", "b", "b", " ", "b", "-")[0] == "aab b"
    assert spoken(letters, "a", "b")[1] == pytest.approx(0.85)


def test_blanks_alone_say_nothing(letters: ModuleType) -> None:
    assert spoken(letters, "-", "-") == ("", 0.0)


@pytest.mark.parametrize("angle", [0.0, 0.2, 1.5])
def test_a_line_is_cut_out_48_pixels_high(boxes: ModuleType, letters: ModuleType, angle: float) -> None:
    picture = Image.new("RGB", (400, 300), "white")
    line = letters.cut_out(picture, boxes.Box(200, 150, 200, 30, angle))
    assert line.height == letters.HEIGHT
    assert letters.prepared(line).shape[3] % 32 == 0


def test_a_standing_line_is_cut_out_lying(boxes: ModuleType, letters: ModuleType) -> None:
    line = letters.cut_out(Image.new("RGB", (400, 300), "white"), boxes.Box(200, 150, 30, 240, 0.0))
    assert line.width > 3 * line.height


def test_weights_that_are_not_there_are_missed_with_a_remedy(weights: ModuleType) -> None:
    with pytest.raises(weights.WeightsMissing, match="run `make setup`"):
        weights.path_of(("no such file.onnx", ""))


def test_other_weights_than_those_measured_are_refused(weights: ModuleType) -> None:
    with pytest.raises(weights.WeightsMissing, match="is not the file that was measured"):
        weights.path_of(("boxes.py", "0" * 64))
