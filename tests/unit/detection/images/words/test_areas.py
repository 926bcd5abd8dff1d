from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.detection.images.words.areas import CELL, FEWEST, LIKELY, Area, areas_of


def likely(
    *squares: tuple[int, int], shape: tuple[int, int] = (60, 80)
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    found = np.zeros(shape, dtype=np.float32)
    for row, column in squares:
        found[row, column] = 0.9
    return found


def test_there_is_no_area_without_letters() -> None:
    assert areas_of(likely()) == []


def test_a_line_is_one_area_with_room_around_it() -> None:
    (area,) = areas_of(likely(*((10, column) for column in range(20, 40))))
    assert area == Area(18 * CELL, 8 * CELL, 42 * CELL, 13 * CELL)


def test_lines_far_apart_are_areas_of_their_own() -> None:
    top, bottom = areas_of(likely((5, 30), (5, 31), (50, 30), (50, 31)))
    assert top.bottom < bottom.top


def test_lines_whose_room_overlaps_share_an_area() -> None:
    assert len(areas_of(likely((10, 10), (10, 11), (13, 12), (13, 13)))) == 1


def test_a_single_square_is_no_word() -> None:
    assert areas_of(likely((10, 10), (20, 30))) == []


def test_letters_all_over_are_looked_at_at_once() -> None:
    assert areas_of(likely(*((row, column) for row in range(0, 60, 6) for column in range(0, 73, 1)))) == [
        Area(0, 0, 75 * CELL, 57 * CELL)
    ]


def test_an_area_in_a_larger_copy_is_larger() -> None:
    assert Area(8, 16, 24, 32).scaled(1.5) == Area(12, 24, 36, 48)


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.floats(0, 1, width=32)))
def test_every_likely_square_with_a_neighbour_is_in_exactly_one_area(
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> None:
    areas = areas_of(found)
    mask = np.pad(found > LIKELY, 1)
    for row, column in np.argwhere(found > LIKELY):
        if mask[row : row + 3, column : column + 3].sum() < FEWEST:
            continue
        x, y = column * CELL, row * CELL
        inside = [area for area in areas if area.left <= x < area.right and area.top <= y < area.bottom]
        assert len(inside) == 1
