"""Recorded texts, page after page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from moat.audit.v1 import decision_record_pb2
from moat.detection.v1 import signals_pb2
from moat.routing.v1 import verdict_pb2
from moat_client import Moat

from services.routing.calibration.applying import versions_of
from services.routing.views import kind_of
from tools.cli.calibration.scored import scores_by_category

_PAGE = 200


class Text(NamedTuple):
    """A text that was decided."""

    decision_id: str
    part: int | None
    """Which of several things; None for content that is one."""
    surface: str
    language: str
    models: dict[str, str]
    scores: dict[str, float]
    acted_on: bool
    """It was not plainly allowed."""


async def recorded(moat: Moat, filter_: str, most: int) -> AsyncIterator[Text]:
    """At most so many, newest first. `filter_`: as of ListDecisions. Raises MoatError."""
    token, given = "", 0
    while given < most:
        page = await moat.list_decisions(filter_, page_size=_PAGE, page_token=token)
        for record in page.decisions:
            for part, signals in _texts(record):
                if given < most:
                    given += 1
                    yield _text(record, part, signals)
        token = page.next_page_token
        if not token:
            return


def place_filter(surface: str, begin: str | None = None, end: str | None = None) -> str:
    """Decisions on a surface (any, if it is empty), from `begin` on and before `end` (RFC 3339)."""
    terms = [f'surface = "{surface}"'] if surface else []
    terms += [f'decide_time >= "{begin}"'] if begin else []
    terms += [f'decide_time < "{end}"'] if end else []
    return " AND ".join(terms)


def _texts(record: decision_record_pb2.DecisionRecord) -> list[tuple[int | None, signals_pb2.Signals]]:
    found: list[tuple[int | None, signals_pb2.Signals]]
    if record.parts:
        found = [(position, part.signals) for position, part in enumerate(record.parts) if part.kind == "text"]
    else:
        found = [(None, record.signals)] if kind_of(record.signals) == "text" else []
    return [(part, signals) for part, signals in found if signals.scores]


def _text(record: decision_record_pb2.DecisionRecord, part: int | None, signals: signals_pb2.Signals) -> Text:
    return Text(
        decision_id=record.decision_id,
        part=part,
        surface=record.surface,
        language=signals.language or "und",
        models=versions_of(signals),
        scores=scores_by_category(signals),
        acted_on=record.verdict.outcome != verdict_pb2.OUTCOME_ALLOW,
    )
