"""`moat drift` and `moat sample`: what is counted, what is said of it, and what cannot be asked."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Iterable

import pytest
from moat.audit.v1 import audit_service_pb2, decision_record_pb2

from services.routing.calibration.document import Calibration
from tests.support.calibrations import calibration, scored
from tests.unit.routing.test_policy import policy
from tools.cli.calibration.drift import FEWEST, compare, counts
from tools.cli.calibration.recorded import Text, place_filter
from tools.cli.calibration.sample import content_of
from tools.cli.calibration.scored import text_of
from tools.cli.calibration.times import moment, span


async def texts(scores: Iterable[float], language: str = "en") -> AsyncIterator[Text]:
    for score in scores:
        yield Text("d", None, "chat", language, {}, {"hate": score}, acted_on=score > 0.5)


def reference() -> Calibration:
    return calibration(policy().document, benign=[0.15, 0.25] * 150)


async def said(
    now: Iterable[float], before: Iterable[float] = (), calibrations: Iterable[Calibration] = ()
) -> list[str]:
    by_surface = {one.surface: one for one in calibrations}
    seen, earlier = await counts(texts(now), by_surface), await counts(texts(before), {})
    return [line for group in sorted(seen) for line, _ in compare(group, seen[group], earlier, by_surface)]


async def test_the_same_community_is_steady_and_another_one_is_not() -> None:
    steady = await said([0.15, 0.25] * 120, calibrations=[reference()])
    assert any("hate" in line and "steady" in line for line in steady)
    moved = await said([0.75] * 240, calibrations=[reference()])
    assert any("hate" in line and "calibrate again" in line for line in moved)
    assert any("limit hate" in line and "reached by 100.00%, expected 0.00%" in line for line in moved)


async def test_two_times_are_compared_in_each_language_and_tell_what_was_acted_on() -> None:
    found = await said([0.2] * FEWEST, [0.9] * FEWEST)
    assert found[0] == f"chat, all: {FEWEST} texts, 0.0% acted on; against {FEWEST} texts, 100.0% acted on"
    assert any(line.startswith("chat, en: ") for line in found)


async def test_too_few_texts_say_so_and_nothing_else() -> None:
    found = await said([0.2] * (FEWEST - 1), [0.9] * FEWEST)
    assert [line for line in found if "PSI" in line] == []
    assert f"  too few to tell: it takes {FEWEST} of each" in found


def test_a_filter_names_the_place_and_the_time() -> None:
    assert place_filter("") == ""
    assert place_filter("chat", "A", "B") == 'surface = "chat" AND decide_time >= "A" AND decide_time < "B"'


@pytest.mark.parametrize("text", ["yesterday", "2026-11-01T06:00:00", "2026-13-01", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time"):
        moment(text)


def test_times_are_told_with_their_zone() -> None:
    assert moment("2026-11-01") == "2026-11-01T00:00:00+00:00"
    assert span("2026-11-01..2026-11-02T06:00:00+02:00") == ("2026-11-01T00:00:00+00:00", "2026-11-02T06:00:00+02:00")
    with pytest.raises(argparse.ArgumentTypeError, match="is no span"):
        span("2026-11-01")


def record() -> decision_record_pb2.DecisionRecord:
    made = decision_record_pb2.DecisionRecord()
    made.parts.add(kind="text").signals.CopyFrom(scored(0.4).signals)
    made.parts.add(kind="image").signals.CopyFrom(scored(0.4).signals)
    made.parts.add(kind="text")
    return made


@pytest.mark.parametrize(
    ("part", "why"),
    [(None, "it has 3 parts"), (3, "no part 3"), (1, "it is about an image"), (2, "detection was missing")],
)
def test_a_part_that_is_no_scored_text_cannot_be_labelled(part: int | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        text_of(record(), part)


def test_a_text_among_several_things_and_one_alone_can() -> None:
    assert text_of(record(), 0).scores[0].probability == pytest.approx(0.4)
    alone = decision_record_pb2.DecisionRecord(signals=scored(0.4).signals)
    assert text_of(alone, None) == text_of(alone, 0) == alone.signals
    with pytest.raises(ValueError, match="no part 1"):
        text_of(alone, 1)


def test_the_content_of_a_part_is_shown_and_of_what_was_not_stored_nothing() -> None:
    found = audit_service_pb2.GetDecisionResponse()
    assert content_of(found, None) == content_of(found, 1) == ""
    found.content.parts.parts.add().text.text = "first"
    assert (content_of(found, 0), content_of(found, 1)) == ("first", "")
    found.content.text.text = "alone"
    assert content_of(found, None) == "alone"
