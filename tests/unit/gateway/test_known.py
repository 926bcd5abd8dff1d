"""What is known of an item fits into its record, whatever its sender has thought of."""

from __future__ import annotations

from moat.detection.v1 import detection_service_pb2, signals_pb2
from moat.mesh.v1 import content_pb2
from moat.routing.v1 import routing_service_pb2

from gateway.known import Known, bound, of_part
from gateway.parts import Part, parts_of
from services.runtime.errors import InvalidRequest, OutOfTime

LONG_ID = "x" * 64


def spans(count: int, *categories: str) -> list[signals_pb2.Span]:
    """A hit at every third letter."""
    return [
        signals_pb2.Span(
            start=3 * number, end=3 * number + 2, category=categories[number % len(categories)], source="terms",
            term_id=LONG_ID,
        )
        for number in range(count)
    ]  # fmt: skip


def parts(count: int) -> list[Part]:
    several = content_pb2.PartsContent(
        parts=[content_pb2.Part(image=content_pb2.ImageContent(data=b"x")) for _ in range(count)]
    )
    return parts_of(content_pb2.Content(parts=several))


def test_few_spans_are_left_as_they_are() -> None:
    signals = signals_pb2.Signals(spans=spans(5, "hate"))
    assert bound(signals, 5) == 5
    assert signals.spans == spans(5, "hate")


def test_what_is_left_out_stays_covered_in_its_own_category() -> None:
    signals = signals_pb2.Signals(spans=spans(10, "hate", "sexual"))
    assert bound(signals, 4) == 4
    reaching = [(span.category, span.start, span.end) for span in signals.spans[4:]]
    assert reaching == [("hate", 12, 26), ("sexual", 15, 29)]


def test_a_record_has_room_for_the_worst_that_eight_parts_can_hold() -> None:
    known = Known()
    for part in parts(8):
        scored = detection_service_pb2.ScoreResult()
        scored.signals.spans.extend(spans(3000, "platform.profanity", "harassment.insult"))
        scored.signals.carried.signals.spans.extend(spans(3000, "platform.profanity", "harassment.insult"))
        for number in range(200):
            place = scored.signals.carried.places.add(start=number * 100, end=number * 100 + 99, confidence=0.123)
            place.box.CopyFrom(signals_pb2.Box(left=0.111, top=0.222, right=0.333, bottom=0.444))
        scored.words.text = "🐀" * 4000
        known.add(part, scored)
    kept = [routing_service_pb2.PartSignals(kind="image", signals=signals) for signals in known.signals]
    size = sum(one.ByteSize() for one in kept) + signals_pb2.FoundWordsList(words=known.words).ByteSize()
    assert size < 200 * 1024, "and 40,000 bytes are left for the texts"
    assert [words.part for words in known.words] == list(range(8))
    assert sum(len(words.text) for words in known.words) == 10_000


def test_a_part_that_was_not_scored_has_its_place() -> None:
    known = Known()
    first, second = parts(2)
    known.add(first, None)
    known.add(second, detection_service_pb2.ScoreResult())
    assert [signals is None for signals in known.signals] == [True, False]


def test_a_refusal_of_one_of_several_names_the_callers_own_field() -> None:
    refusal = InvalidRequest.field("content.image.data", "is damaged", reason="IMAGE_DAMAGED")
    told = of_part(refusal, parts(2)[1])
    assert (told.reason, told.metadata) == ("IMAGE_DAMAGED", {"content.parts.parts[1].image.data": "is damaged"})


def test_an_error_without_a_field_still_says_which_part() -> None:
    assert of_part(OutOfTime("too late"), parts(1)[0]).message.startswith("content.parts.parts[0].image: ")


def test_a_refusal_of_content_that_is_one_thing_is_left_as_it_is() -> None:
    (whole,) = parts_of(content_pb2.Content(image=content_pb2.ImageContent(data=b"x")))
    refusal = InvalidRequest.field("content.image.data", "is damaged")
    assert of_part(refusal, whole) is refusal
