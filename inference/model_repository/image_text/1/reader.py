"""Reads the words in areas of a picture: lines are found by one network and read by another, one after the other."""

import time

import numpy as np
import onnxruntime as ort
from boxes import boxes_of, in_reading_order
from letters import alphabet_of, cut_out, prepared, spelt
from PIL import Image
from weights import FIND, READ, path_of

_STEP = 32
"""What the finding network takes has sides that are multiples of it."""
_FOUND_IN = 448 * 336
"""The most pixels that lines are looked for in at once; a larger area is made smaller. Letters of 12 pixels in a picture of
640 x 480 are found in that as in the whole, at half the cost."""
_MOST_LINES = 64
_CONFIDENT = 0.6
"""Mean probability of a line's letters, below which it is no words."""


class Reader:
    """Both networks, one thread each."""

    def __init__(self):
        """Raises WeightsMissing."""
        self._find = _session(FIND)
        self._read = _session(READ)
        self._alphabet = alphabet_of(self._read)

    def read(self, pixels, areas, seconds):
        """Of RGB pixels [rows, columns, 3] and areas [n, 4]: lines as (words, box, confidence) in reading order, and how many
        were found and not read, because they are too many or `seconds` were over."""
        until = time.monotonic() + seconds
        picture = Image.fromarray(pixels)
        boxes = []
        for area in areas:
            boxes += self._lines_in(picture, [int(side) for side in area])
        order = in_reading_order(boxes)
        lines = []
        for done, position in enumerate(order):
            if done >= _MOST_LINES or time.monotonic() >= until:
                return lines, len(order) - done
            words, confidence = self._words(picture, boxes[position])
            if words and confidence >= _CONFIDENT:
                lines.append((words, boxes[position].upright, confidence))
        return lines, 0

    def _lines_in(self, picture, area):
        left, top = max(0, area[0]), max(0, area[1])
        right, bottom = min(picture.width, area[2]), min(picture.height, area[3])
        if right <= left or bottom <= top:
            return []
        scale = max(1.0, ((right - left) * (bottom - top) / _FOUND_IN) ** 0.5)
        size = (max(1, round((right - left) / scale)), max(1, round((bottom - top) / scale)))
        part = picture.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
        likely = self._find.run(None, {self._find.get_inputs()[0].name: _padded(part)})[0][0, 0]
        return [box.moved(left, top, scale) for box in boxes_of(likely[: size[1], : size[0]])]

    def _words(self, picture, box):
        line = cut_out(picture, box)
        words, confidence = self._read_line(line)
        if not box.standing:
            return words, confidence
        # Upwards or downwards: what reads better.
        other = self._read_line(line.transpose(Image.Transpose.ROTATE_180))
        return (words, confidence) if confidence >= other[1] else other

    def _read_line(self, line):
        likely = self._read.run(None, {self._read.get_inputs()[0].name: prepared(line)})[0][0]
        words, confidence = spelt(likely, self._alphabet)
        return words.strip(), confidence


def _padded(part):
    """[1, 3, rows, columns] from -1 to 1, blue first; sides padded to multiples of 32 by what is at the edge."""
    pixels = np.asarray(part, dtype=np.float32)[..., ::-1] / 127.5 - 1
    more = [(0, -side % _STEP) for side in pixels.shape[:2]]
    return np.ascontiguousarray(np.pad(pixels, [*more, (0, 0)], mode="edge").transpose(2, 0, 1)[None])


def _session(weights):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Every picture has shapes of its own: what is kept for one fits no other.
    options.enable_mem_pattern = False
    return ort.InferenceSession(path_of(weights), options, ["CPUExecutionProvider"])
