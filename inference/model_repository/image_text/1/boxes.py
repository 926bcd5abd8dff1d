"""From a map of how likely each pixel belongs to a line of words to the lines' boxes, in numpy alone.

A line in the map is a blot that is smaller than the line: the network learns lines shrunk, so that neighbours stay apart. Each
blot's smallest rectangle, turned as it lies, is grown back by its area over its perimeter.
"""

from typing import NamedTuple

import numpy as np

_LIKELY = 0.3
"""From where on a pixel belongs to a blot."""
_SURE = 0.6
"""Mean of a blot's pixels, below which it is dropped."""
_GROWN = 1.6
_SMALLEST = 3
"""Pixels of a blot's shorter side; less is a speck."""
_STANDING = 1.5
"""So many times higher than wide, and words run upwards or downwards."""


class Box(NamedTuple):
    """A rectangle as it lies."""

    x: float
    """Of its middle."""
    y: float
    width: float
    """Along the line's direction, which is nearer to across than to down."""
    height: float
    angle: float
    """Of that direction, in radians, downwards from across."""

    @property
    def standing(self):
        """Whether words run upwards or downwards."""
        return self.height >= _STANDING * self.width

    @property
    def corners(self):
        """[4, 2] top left, top right, bottom right, bottom left."""
        along = np.array([np.cos(self.angle), np.sin(self.angle)]) * self.width / 2
        down = np.array([-np.sin(self.angle), np.cos(self.angle)]) * self.height / 2
        middle = np.array([self.x, self.y])
        return np.array([middle - along - down, middle + along - down, middle + along + down, middle - along + down])

    @property
    def upright(self):
        """Left, top, right, bottom of the upright rectangle around it."""
        corners = self.corners
        return (*corners.min(axis=0), *corners.max(axis=0))

    def moved(self, left, top, scale):
        """Where it is in the picture that the map's part was cut from, `scale` times as large there."""
        width, height = self.width * scale, self.height * scale
        return Box(left + self.x * scale, top + self.y * scale, width, height, self.angle)


def boxes_of(likely):
    """The lines' boxes in a map [rows, columns], surest blots only, in no order."""
    found = []
    for rows, starts, ends in blots(likely > _LIKELY):
        total = sum(likely[row, start:end].sum() for row, start, end in zip(rows, starts, ends))
        if total / (ends - starts).sum() < _SURE:
            continue
        box = smallest_box(rows, starts, ends)
        if min(box.width, box.height) >= _SMALLEST:
            found.append(_grown(box))
    return found


def blots(mask):
    """What hangs together in `mask`, corners included: of each, its runs as arrays of row, start and end (exclusive)."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    roots = list(range(len(rows)))
    first_of = np.searchsorted(rows, np.arange(mask.shape[0] + 1)).tolist()
    tops, lefts, rights = rows.tolist(), starts.tolist(), ends.tolist()
    for row in range(1, mask.shape[0]):
        above, end_above = first_of[row - 1], first_of[row]
        for run in range(first_of[row], first_of[row + 1]):
            while above < end_above and rights[above] < lefts[run]:
                above += 1
            other = above
            while other < end_above and lefts[other] <= rights[run]:
                _join(roots, run, other)
                other += 1
    groups = {}
    for run in range(len(tops)):
        groups.setdefault(_root(roots, run), []).append(run)
    return [(rows[runs], starts[runs], ends[runs]) for runs in groups.values()]


def smallest_box(rows, starts, ends):
    """The rectangle of least area around a blot: one of its sides lies on a side of the hull."""
    across = np.concatenate([starts, ends, starts, ends]).astype(float)
    down = np.concatenate([rows, rows, rows + 1, rows + 1]).astype(float)
    hull = _hull(sorted(set(zip(across.tolist(), down.tolist()))))
    sides = np.roll(hull, -1, axis=0) - hull
    # Sides a quarter turn apart make the same rectangles; the direction nearer to across names it.
    angles = np.unique(np.round((np.arctan2(sides[:, 1], sides[:, 0]) + np.pi / 4) % (np.pi / 2) - np.pi / 4, 6))
    turn = np.stack([np.cos(angles), np.sin(angles)])
    along, off = hull @ turn, hull @ np.stack([-turn[1], turn[0]])
    spans = (along.max(axis=0) - along.min(axis=0), off.max(axis=0) - off.min(axis=0))
    best = int(np.argmin(spans[0] * spans[1]))
    middle = (along[:, best].max() + along[:, best].min()) / 2, (off[:, best].max() + off[:, best].min()) / 2
    cos, sin = turn[:, best]
    return Box(
        float(middle[0] * cos - middle[1] * sin),
        float(middle[0] * sin + middle[1] * cos),
        float(spans[0][best]),
        float(spans[1][best]),
        float(angles[best]),
    )


def in_reading_order(boxes):
    """Positions of the boxes, row by row from the top, each row from its left. Boxes are in one row if the middle of one
    lies in the middle half of the other's height."""
    tops = sorted(range(len(boxes)), key=lambda position: boxes[position].y)
    rows = []
    for position in tops:
        box = boxes[position]
        last = boxes[rows[-1][0]] if rows else None
        if last is not None and abs(box.y - last.y) < min(_tall(box), _tall(last)) / 2:
            rows[-1].append(position)
        else:
            rows.append([position])
    return [position for row in rows for position in sorted(row, key=lambda position: boxes[position].upright[0])]


def _tall(box):
    return box.upright[3] - box.upright[1]


def _grown(box):
    by = box.width * box.height * _GROWN / (2 * (box.width + box.height))
    return box._replace(width=box.width + 2 * by, height=box.height + 2 * by)


def _root(roots, run):
    while roots[run] != run:
        roots[run] = roots[roots[run]]
        run = roots[run]
    return run


def _join(roots, one, other):
    roots[_root(roots, one)] = _root(roots, other)


def _hull(points):
    """[n, 2] the convex hull of sorted points, by Andrew's monotone chain."""
    halves = []
    for half in (points, points[::-1]):
        chain = []
        for point in half:
            while len(chain) > 1 and _turns_right(chain[-2], chain[-1], point):
                chain.pop()
            chain.append(point)
        halves += chain[:-1]
    return np.array(halves)


def _turns_right(one, other, point):
    return (other[0] - one[0]) * (point[1] - one[1]) <= (other[1] - one[1]) * (point[0] - one[0])
