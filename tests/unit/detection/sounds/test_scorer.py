"""A clip's signals say what was heard, where, and what was not."""

from __future__ import annotations

import pytest
from moat.detection.v1 import signals_pb2

from services.detection.sounds.decode import Clip, Spoken
from services.detection.sounds.listener import Words
from services.detection.sounds.scorer import _carry, _tell

SPOKEN = (Spoken(500, 1500, b""), Spoken(2500, 3500, b""), Spoken(4000, 5000, b""))
CLIP = Clip(6000, 2400, 44100, "wav", SPOKEN)


def words(text: str) -> Words:
    return Words(text, 0.75, 0.0, 0.1, b"", b"")


def signals_of(*answers: Words | str, clip: Clip = CLIP) -> tuple[signals_pb2.Signals, str]:
    signals = signals_pb2.Signals()
    _tell(signals, clip, answers)
    return signals, _carry(signals, clip.spoken, answers)


def reason(signals: signals_pb2.Signals) -> str:
    (found,) = [tier.reason for tier in signals.tiers if tier.name == "speech_text"]
    return found


def test_every_utterance_has_its_place_in_the_words_and_in_the_clip() -> None:
    signals, text = signals_of(words("héllo 👋"), words(""), words("you there"))
    assert text == "héllo 👋\nyou there"
    assert [(text[place.start : place.end], place.interval.start_millis) for place in signals.carried.places] == [
        ("héllo 👋", 500),
        ("you there", 4000),
    ]
    assert (signals.carried.length, signals.carried.places[0].confidence) == (17, 0.75)
    assert (reason(signals), list(signals.degraded)) == ("always", [])


def test_facts_are_kept() -> None:
    signals, _ = signals_of(words("a"), words("b"), words("c"))
    assert signals.audio == signals_pb2.AudioFacts(
        duration_millis=6000, speech_millis=2400, sample_rate=44100, format="wav"
    )


@pytest.mark.parametrize("missed", ["shed", "out_of_time", "unavailable"])
def test_what_was_not_heard_is_said_and_the_rest_is_kept(missed: str) -> None:
    signals, text = signals_of(words("one"), missed, words("three"))
    assert text == "one\nthree"
    assert (reason(signals), list(signals.degraded)) == (missed, ["speech"])


def test_where_nobody_speaks_the_model_is_not_asked_and_nothing_is_missing() -> None:
    signals, text = signals_of(clip=Clip(6000, 0, 44100, "wav", ()))
    assert (text, reason(signals), list(signals.degraded)) == ("", "decided", [])
    assert not signals.HasField("carried")
