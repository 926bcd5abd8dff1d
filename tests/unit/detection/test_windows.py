"""Windows: short texts are one, long ones are read to their end, and none is longer than the model reads."""

from __future__ import annotations

import pytest

from services.detection.settings import DetectionSettings
from services.detection.windows import LENGTHS, Windows, padded


@pytest.fixture(scope="module")
def windows() -> Windows:
    return Windows(DetectionSettings().live_release().tokenizer)


def test_a_short_text_is_one_window(windows: Windows) -> None:
    assert [len(found) for found in windows.of(["gg wp", "", "🦃"])] == [1, 1, 1]


def test_a_long_text_is_read_to_its_end(windows: Windows) -> None:
    text = "we went to the market and bought apples " * 40 + "zebra"
    (whole,) = windows.of([text])
    assert len(whole) > 1
    assert all(len(window) <= LENGTHS[-1] for window in whole)
    (last,) = windows.of(["zebra"])
    assert whole[-1][-len(last[0]) + 1 :] == last[0][1:]
    assert all(window[0] == whole[0][0] and window[-1] == whole[0][-1] for window in whole)


def test_an_endless_text_is_not(windows: Windows) -> None:
    (found,) = windows.of(["word " * 20_000])
    assert len(found) <= 8


@pytest.mark.parametrize(("size", "length"), [(3, 16), (16, 16), (17, 32), (96, 96)])
def test_windows_are_padded_to_few_lengths(windows: Windows, size: int, length: int) -> None:
    assert windows.length([1] * size) == length
    assert padded([[1, 2], [1] * size], length).shape == (2, length)
