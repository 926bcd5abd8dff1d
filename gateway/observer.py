"""Hears of every item whose path is over: counts it, and keeps its spans if they are worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.rpc import code_pb2
from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2

from gateway.metrics import DECISION_SECONDS, DECISIONS, FAILURES, REPLAYS
from gateway.traces import KeepRule, finished_now
from services.runtime.errors import code_of

if TYPE_CHECKING:
    from gateway.desk import Outcome
    from gateway.items import Item
    from gateway.trace_export import TraceExport


class Observer:
    """Runs after the answer, for each item: what it does must be cheap."""

    def __init__(self, keep: KeepRule, export: TraceExport) -> None:
        """`keep` says which decisions' spans go to `export`."""
        self._keep = keep
        self._export = export
        self._decisions = {
            value: DECISIONS.labels(name.removeprefix("OUTCOME_")) for name, value in verdict_pb2.Outcome.items()
        }

    def __call__(self, item: Item, outcome: Outcome) -> None:
        """See `Desk`."""
        finished = finished_now(item, outcome)
        if isinstance(outcome, moderation_pb2.Decision):
            self._decisions[outcome.outcome].inc()
            DECISION_SECONDS.observe(finished.at - item.arrival.at)
            if outcome.replayed:
                REPLAYS.inc()
        else:
            FAILURES.labels(code_pb2.Code.Name(code_of(outcome))).inc()
        if self._keep.keeps(finished):
            self._export.offer(finished)
