"""Pictures and clips: detectors look when the tiers have spoken, and are never shown what must not be passed on."""

from __future__ import annotations

from pathlib import Path

import pytest
from moat.detection.v1 import detection_service_pb2, signals_pb2

from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.looking import ask_about
from services.detection.detectors.port import Kind
from tests.support.detectors import INSULT, Scripted, read, write


def item(kind: str = "image", tenant: str = "t") -> detection_service_pb2.ScoreItem:
    made = detection_service_pb2.ScoreItem(surface="chat")
    made.context.tenant, made.context.environment = tenant, "production"
    content = made.content.image if kind == "image" else made.content.audio
    content.data, content.media_type = b"bytes", "a/b"
    return made


def known(category: str, *, negative: bool = False, cancelled: bool = False) -> signals_pb2.Signals:
    match = signals_pb2.HashMatch(bank="b", category=category, negative=negative, cancelled=cancelled)
    return signals_pb2.Signals(matches=[match])


async def asked(folder: Path, about: detection_service_pb2.ScoreItem, signals: signals_pb2.Signals) -> Scripted:
    scripted = Scripted()
    live = LiveDetectors(read(folder, scripted))
    await ask_about(live, about, signals, deadline=None)
    await live.close()
    return scripted


@pytest.mark.parametrize("kind", ["image", "audio"])
async def test_what_they_find_is_written_beside_what_the_tiers_found(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "one", uses="scripted", kinds=[kind], tenants=["t"])
    signals = signals_pb2.Signals(language="und")
    scripted = await asked(tmp_path, item(kind), signals)
    ((question,),) = scripted.calls
    assert (question.kind, question.data, question.media_type) == (Kind(kind), b"bytes", "a/b")
    assert (question.tenant, question.environment, question.surface) == ("t", "production", "chat")
    assert [(one.name, one.state) for one in signals.detectors] == [("one", "answered")]
    other = signals_pb2.Signals()
    assert not (await asked(tmp_path, item(kind, "u"), other)).calls
    assert not other.detectors


async def test_one_that_is_asked_when_uncertain_goes_by_the_models_score(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted", ask="uncertain", between={INSULT: {"from": 0.4, "to": 0.6}})
    for score, calls in ((0.5, 1), (0.9, 0)):
        signals = signals_pb2.Signals(scores=[signals_pb2.Score(category=INSULT, probability=score)])
        assert len((await asked(tmp_path, item(), signals)).calls) == calls


@pytest.mark.parametrize("category", ["child_safety.csam", "child_safety.sexualisation", "exploitation.ncii"])
async def test_a_picture_that_is_known_to_be_abuse_is_shown_to_no_detector(tmp_path: Path, category: str) -> None:
    write(tmp_path, "one", uses="scripted", required=True)
    signals = known(category)
    assert not (await asked(tmp_path, item(), signals)).calls
    assert not signals.detectors
    assert not signals.degraded


@pytest.mark.parametrize(
    "signals",
    [
        known("violence.graphic"),
        known("child_safety.csam", negative=True),
        known("child_safety.csam", cancelled=True),
        signals_pb2.Signals(),
    ],
)
async def test_any_other_is_shown(tmp_path: Path, signals: signals_pb2.Signals) -> None:
    write(tmp_path, "one", uses="scripted")
    assert len((await asked(tmp_path, item(), signals)).calls) == 1
