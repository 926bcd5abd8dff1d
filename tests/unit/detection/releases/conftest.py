"""Releases of a few bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.detection.releases.loading import Places
from services.detection.releases.making import make_release


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """One release of a few bytes, `text-1`."""
    places = Places(tmp_path / "releases", tmp_path / "deep_text", tmp_path / "fast_text")
    places.releases.mkdir()
    for path in (
        "deep_text/1/model.onnx",
        "deep_text/tokenizer.json",
        "fast_text/1/weights.npz",
        "fast_text/1/cascade.json",
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    make_release(places, "text-1", deep="1", fast="1")
    return places
