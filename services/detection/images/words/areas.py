"""From where letters are likely to the areas in which words are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CELL = 8
"""Pixels of a square's side: the finder says one number for each."""
LIKELY = 0.5
"""From where on there may be letters in a square."""
FEWEST = 2
"""Squares that hang together; one alone is no word."""
_MOST_AREAS = 8
_AROUND = 2
"""Squares that are read around those with letters."""
_ALL = 0.6
"""Share of the picture, from which on all of it is read at once."""


class Area(NamedTuple):
    """An upright rectangle, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> int:
        """In pixels."""
        return (self.right - self.left) * (self.bottom - self.top)

    def scaled(self, by: float) -> Area:
        """The same in a picture so many times as large."""
        return Area(*(round(side * by) for side in self))


def areas_of(likely: NDArray[np.float32]) -> list[Area]:
    """Rectangles that hold all squares [rows, columns] where letters are likely, with some room; none if there are no
    such squares. They do not overlap."""
    found = [
        Area(left - _AROUND, top - _AROUND, right + _AROUND, bottom + _AROUND)
        for left, top, right, bottom in _blots(likely > LIKELY)
    ]
    apart = _joined([_inside(area, likely.shape) for area in found])
    if sum(area.size for area in apart) > _ALL * likely.size or len(apart) > _MOST_AREAS:
        apart = [_around(apart)]
    return [Area(*(side * CELL for side in area)) for area in apart]


def _blots(mask: NDArray[np.bool_]) -> list[Area]:
    """Rectangles around what hangs together, corners included, unless it is a single square."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    found = []
    while left:
        edge = [left.pop()]
        rows, columns = [], []
        while edge:
            row, column = edge.pop()
            rows.append(row)
            columns.append(column)
            near = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= near
            edge += near
        if len(rows) >= FEWEST:
            found.append(Area(min(columns), min(rows), max(columns) + 1, max(rows) + 1))
    return found


def _inside(area: Area, shape: tuple[int, ...]) -> Area:
    return Area(max(0, area.left), max(0, area.top), min(shape[1], area.right), min(shape[0], area.bottom))


def _joined(areas: list[Area]) -> list[Area]:
    """Those that overlap become one, until none do."""
    apart: list[Area] = []
    for area in areas:
        grown = area
        while over := [other for other in apart if _overlap(grown, other)]:
            apart = [other for other in apart if other not in over]
            grown = _around([grown, *over])
        apart.append(grown)
    return apart


def _overlap(one: Area, other: Area) -> bool:
    across = one.left < other.right and other.left < one.right
    return across and one.top < other.bottom and other.top < one.bottom


def _around(areas: list[Area]) -> Area:
    sides = np.array(areas)
    return Area(*(int(side) for side in (*sides[:, :2].min(axis=0), *sides[:, 2:].max(axis=0))))
