"""From a line's box to what the network looks at, and from what it answers to words."""

import numpy as np
from PIL import Image

HEIGHT = 48
"""Pixels of what the network looks at."""
_STEP = 32
"""Widths are multiples of it: fewer shapes, and little is padded."""
_WIDEST = 1600
_NARROWED = 0.7
"""Of a line's width, what the network looks at. It learnt long lines squeezed, and a line costs what its width costs."""
_UPRIGHT = 0.01
"""Radians, below which a line is cut out as it stands."""
_FAIRLY_LARGE = 2
"""Lines so many times as high as what the network looks at are first made smaller in whole steps."""


def cut_out(picture, box):
    """The picture of one line, 48 pixels high. Words that run downwards are turned to run across."""
    if box.standing:
        corners = np.roll(box.corners, -3, axis=0)
        width, height = box.height, box.width
    else:
        corners, width, height = box.corners, box.width, box.height
    wide = int(min(max(round(_NARROWED * HEIGHT * width / max(height, 1)), HEIGHT // 3), _WIDEST))
    if not box.standing and abs(box.angle) < _UPRIGHT:
        left, top, right, bottom = box.upright
        inside = (max(0, left), max(0, top), min(picture.width, right), min(picture.height, bottom))
        return picture.resize((wide, HEIGHT), Image.Resampling.BILINEAR, box=inside)
    smaller = max(1, int(height / HEIGHT / _FAIRLY_LARGE * 2)) if height > HEIGHT * _FAIRLY_LARGE else 1
    # Image.QUAD wants top left, bottom left, bottom right, top right.
    quad = (corners[[0, 3, 2, 1]] / smaller).reshape(-1)
    source = picture.reduce(smaller) if smaller > 1 else picture
    return source.transform((wide, HEIGHT), Image.Transform.QUAD, tuple(quad), Image.Resampling.BILINEAR)


def prepared(line):
    """[1, 3, 48, width] from -1 to 1, blue first as the network was trained; what is beyond the line is 0."""
    pixels = np.asarray(line, dtype=np.float32)[..., ::-1] / 127.5 - 1
    width = -(-line.width // _STEP) * _STEP
    padded = np.zeros((1, 3, HEIGHT, width), dtype=np.float32)
    padded[0, :, :, : line.width] = pixels.transpose(2, 0, 1)
    return padded


def spelt(likely, alphabet):
    """Words and their confidence, of probabilities [steps, letters]: the likeliest of each step, less blanks (letter 0) and
    repetitions."""
    best = likely.argmax(axis=1)
    kept = (best != 0) & (best != np.concatenate([[-1], best[:-1]]))
    if not kept.any():
        return "", 0.0
    sure = likely[np.arange(len(best)), best][kept]
    return "".join(alphabet[letter] for letter in best[kept]), float(sure.mean())


def alphabet_of(session):
    """The letters that a network's classes stand for; 0 is none, and the last is the space."""
    listed = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    return ["", *listed, " "]
