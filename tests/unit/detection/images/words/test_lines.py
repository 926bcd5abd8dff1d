from __future__ import annotations

import pytest

from services.detection.images.words.lines import MOST_CODE_POINTS, ReadLine, joined


def line(words: str, left: float, top: float, right: float = 0.9, bottom: float | None = None) -> ReadLine:
    return ReadLine(words, left, top, right, top + 0.1 if bottom is None else bottom, confidence=0.9)


def test_rows_are_parted_by_a_line_feed_and_pieces_of_a_row_by_a_space() -> None:
    found = joined([line("go", 0.1, 0.1, 0.3), line("away", 0.4, 0.12), line("now", 0.1, 0.5)], whole=True)
    assert found.text == "go away\nnow"


def test_each_place_names_its_own_words() -> None:
    found = joined([line("ça va", 0.1, 0.1, 0.3), line("😀 oui", 0.4, 0.1), line("non", 0.1, 0.5)], whole=True)
    assert [found.text[place.start : place.end] for place in found.places] == ["ça va", "😀 oui", "non"]
    assert found.places[1].box.left == pytest.approx(0.4)
    assert found.places[1].confidence == pytest.approx(0.9)


def test_no_lines_are_no_words() -> None:
    found = joined([], whole=True)
    assert (found.text, found.places, found.whole) == ("", (), True)


def test_what_is_beyond_the_bound_is_left_out_and_said() -> None:
    found = joined([line("a" * 1500, 0.1, 0.1), line("b" * 499, 0.1, 0.3), line("c", 0.1, 0.5)], whole=True)
    assert len(found.text) == MOST_CODE_POINTS
    assert not found.whole
    assert len(found.places) == 2


def test_what_the_reader_left_unread_is_said() -> None:
    assert not joined([line("go", 0.1, 0.1)], whole=False).whole
