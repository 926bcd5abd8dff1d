"""The weights of PP-OCR, as the Python package `rapidocr` carries them: found where it is installed, never imported.

A file of the same name beside this one goes before it, for a server whose Python has no such package.
"""

import hashlib
import importlib.util
from pathlib import Path

FIND = ("PP-OCRv6_det_small.onnx", "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f")
READ = ("PP-OCRv6_rec_small.onnx", "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884")
"""Names and SHA-256 of PP-OCRv6 small in ONNX form."""


class WeightsMissing(Exception):
    """They are not here, or are others; the message says what to do."""


def path_of(weights):
    """Where a model's file is. Raises WeightsMissing."""
    name, digest = weights
    for folder in _folders():
        path = folder / name
        if path.exists():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != digest:
                raise WeightsMissing(f"{path} is not the file that was measured: SHA-256 {found}, expected {digest}")
            return str(path)
    raise WeightsMissing(
        f"{name} is not here; run `make setup`, or `pip install --no-deps rapidocr==3.10.0` in Triton's Python"
    )


def _folders():
    yield Path(__file__).parent
    spec = importlib.util.find_spec("rapidocr")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        yield Path(place) / "models"
