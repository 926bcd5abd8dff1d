"""`moat score`: rows in, rows out, in order, without a mesh."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from services.detection.categories import CATEGORIES
from services.detection.settings import DetectionSettings
from tools.cli import score
from tools.cli.failure import Failure

ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "good game everyone, see you tomorrow"},
    {"id": 7, "text": "you are a worthless piece of trash"},
    {"id": "empty", "text": ""},
    {
        "id": "long",
        "text": "we sat by the lake and talked about the old map. " * 38 + "you are a worthless piece of trash",
    },
    {"id": "odd", "text": "\ud800 \u202e 🦃\x00"},
]


async def scored(lines: list[str], release: str = "") -> list[dict[str, Any]]:
    out = io.StringIO()
    await score._score_all(lines, out, release)
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_every_row_gets_every_score_in_order() -> None:
    found = await scored([json.dumps(row) for row in ROWS] + ["\n"])
    assert [row["id"] for row in found] == [row["id"] for row in ROWS]
    for row in found:
        scores = row["scores"]
        assert isinstance(scores, dict)
        assert set(scores) == set(CATEGORIES)
        assert all(0 <= value <= 1 for value in scores.values())
        assert isinstance(row["lang"], str)


async def test_an_insult_at_the_end_of_a_long_text_is_seen() -> None:
    found = await scored([json.dumps(row) for row in ROWS])
    toxicity = [row["scores"]["toxicity"] for row in found]
    assert toxicity[1] > 0.8
    assert toxicity[3] > 0.5 > toxicity[0]


@pytest.mark.parametrize("row", ['{"id": 1}', '{"id": 1, "text": null}', '{"id": 1, "text": 7}', "[]", "no json"])
async def test_a_row_without_text_is_named(row: str) -> None:
    with pytest.raises(Failure, match="line 2"):
        await scored([json.dumps(ROWS[0]), row])


async def test_a_release_scores_by_its_name() -> None:
    lines = [json.dumps(row) for row in ROWS[:2]]
    assert await scored(lines, DetectionSettings().live_release().name) == await scored(lines)


async def test_a_release_that_there_is_not_is_named() -> None:
    with pytest.raises(Failure, match="there is no release 'text-77'"):
        await scored([], "text-77")
