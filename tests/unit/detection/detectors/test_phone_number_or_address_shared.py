"""The detector that finds personal data: in whose form, how sure, and not in the talk of a game."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.phone_number_or_address_shared import HANDED_OVER, PERSONAL, look
from services.detection.detectors.port import Kind, Question
from tests.support.detectors import read, text, write


def scores(content: str) -> tuple[float, float]:
    """Personal data, and handed over."""
    found = look(Question(Kind.TEXT, content))
    return found.get(PERSONAL, 0.0), found.get(HANDED_OVER, 0.0)


@pytest.mark.parametrize(
    "content",
    [
        "call me at 212-555-0123",
        "(212) 555-0123 if you need a tank",
        "+44 20 7946 0958",
        "whatsapp 07700 900123",
        "meine nummer: 030 901820",
        "bob@example.com is my mail",
        "221b Baker Street",
        "Goethestraße 12",
        "12 rue Victor Hugo",
        "calle Mayor 12",
        "via Roma, 7",
        "DE89 3702 0044 0532 0130 00",
    ],
)
def test_one_thing_alone_may_well_be_the_writers_own(content: str) -> None:
    assert scores(content) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("she lives at 12 Baker Street", (0.8, 0.8)),
        ("his number is 212-555-0123", (0.8, 0.8)),
        ("er wohnt in der Goethestraße 12", (0.8, 0.8)),
        ("elle habite au 12 rue Victor Hugo", (0.8, 0.8)),
        ("vive en la calle Mayor 12", (0.8, 0.8)),
        ("12 Baker Street, 212-555-0123", (0.8, 0.4)),
        ("go visit bob at 12 Baker Street or call 212-555-0123, his number", (0.95, 0.95)),
    ],
)
def test_words_that_hand_somebody_over_and_several_things_together_say_more(
    content: str, expected: tuple[float, float]
) -> None:
    assert scores(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        "gg 10-2",
        "I did 123 456 789 damage",
        "v1.2.3.4 is out",
        "27.11.2026 22:00",
        "2 more wins and we close the gap",
        "12 kills in a row, road to gold",
        "he lives in my head",
        "id 1234567890",
        "level 5 close to the square",
        "10 min drive",
        "@bob come here",
        "1920x1080 at 144 hz",
        "",
        "\ud800",
    ],
)
def test_the_talk_of_a_game_is_none(content: str) -> None:
    assert scores(content) == (0, 0)


def test_no_text_takes_long(recwarn: pytest.WarningsRecorder) -> None:
    for content in ("1 " * 5000, "a@" * 5000, "12 a b c " * 1100, "0" * 10_000, "+1" * 5000, "street " * 1400):
        assert scores(content) in ((0, 0), (0.5, 0.25))
    assert not recwarn.list


async def test_it_runs_in_a_thread_of_its_own_and_never_in_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()

    def spying(question: Question) -> dict[str, float]:
        threads.add(threading.current_thread().name)
        raise RecursionError

    monkeypatch.setattr("services.detection.detectors.phone_number_or_address_shared.look", spying)
    write(tmp_path, "addresses", uses="phone_number_or_address_shared", concurrency=2)
    live = LiveDetectors(read(tmp_path))
    panel = live.panel(Kind.TEXT, tenant="t", environment="", surface="")
    assert panel is not None
    findings = await asyncio.gather(*(panel.detectors[0].ask(text("gg"), deadline=None) for _ in range(8)))
    await live.close()
    assert {finding.state for finding in findings} == {"failed"}, "what it raises is the content's own affair"
    assert threads
    assert all(name.startswith("detector-addresses") for name in threads)
