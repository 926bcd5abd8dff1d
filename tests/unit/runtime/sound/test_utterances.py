"""Stretches of speech, out of probabilities: padded, merged over a breath, never too long, the same however they came."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.sound.utterances import LONGEST, Utterance, Utterances


def found(*runs: tuple[float, int]) -> list[Utterance]:
    utterances = Utterances()
    return [*utterances.push([one for value, count in runs for one in [value] * count]), *utterances.end()]


def test_speech_is_an_utterance_with_a_little_before_and_after() -> None:
    assert found((0.0, 50), (0.9, 30), (0.0, 50)) == [Utterance(44, 86, 30)]


def test_a_breath_does_not_part_it_and_a_pause_does() -> None:
    assert len(found((0.9, 30), (0.0, 15), (0.9, 30), (0.0, 50))) == 1
    assert len(found((0.9, 30), (0.0, 25), (0.9, 30), (0.0, 50))) == 2


def test_a_click_is_none() -> None:
    assert found((0.0, 20), (0.9, 3), (0.0, 50)) == []


def test_what_is_spoken_when_the_stream_ends_counts() -> None:
    assert found((0.0, 20), (0.9, 30)) == [Utterance(14, 50, 30)]


def test_it_ends_as_soon_as_there_was_silence_enough() -> None:
    utterances = Utterances()
    assert utterances.push([0.9] * 30 + [0.0] * 19) == []
    assert utterances.push([0.0]) == [Utterance(0, 36, 30)]


def test_who_takes_no_breath_is_cut_where_it_is_quietest() -> None:
    first, second = found((0.9, 600), (0.6, 2), (0.9, 600), (0.0, 50))
    assert first.end == second.start == 600
    assert second.end == 1208


def test_only_what_may_still_be_part_of_one_is_needed() -> None:
    utterances = Utterances()
    utterances.push([0.0] * 100)
    assert utterances.needed_from == 94
    utterances.push([0.9] * 10)
    assert utterances.needed_from == 94
    (ended,) = utterances.push([0.0] * 20)
    assert utterances.needed_from == 124 >= ended.end


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from((0.0, 0.2, 0.4, 0.6, 1.0)), st.integers(1, 400)), max_size=12),
    st.integers(1, 300),
)
def test_utterances_are_in_order_apart_and_bounded_and_come_the_same_in_pieces(
    runs: list[tuple[float, int]], size: int
) -> None:
    frames = [value for value, count in runs for _ in range(count)]
    whole = found(*runs)
    utterances, pieces = Utterances(), []
    for at in range(0, len(frames), size):
        needed = utterances.needed_from
        more = utterances.push(frames[at : at + size])
        assert all(one.start >= needed for one in more)
        pieces += more
    assert [*pieces, *utterances.end()] == whole
    assert all(0 <= one.start < one.end <= len(frames) and one.end - one.start <= LONGEST for one in whole)
    assert all(one.speech <= one.end - one.start for one in whole)
    assert all(before.end <= after.start for before, after in pairwise(whole))
