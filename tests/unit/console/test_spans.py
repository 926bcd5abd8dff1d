"""What the page remembers of spans."""

from __future__ import annotations

from console.spans import DECISION, Span, SpanStore


def span(trace: str, name: str, *, service: str = "gateway", decision: str = "", parent: str = "") -> Span:
    facts = {DECISION: decision} if decision else {}
    return Span(trace, f"{trace}-{name}", parent, service, name, 1, 2, False, facts, ())  # noqa: FBT003 - `failed`


def test_a_trace_of_the_callers_shows_each_decision_made_in_it() -> None:
    store = SpanStore(100)
    store.add([span("t", "asking", service="game")])
    for name in ("d1", "d2"):
        store.add([span("t", f"ask {name}", service="client", decision=name), span("t", name, decision=name)])
    assert [one.name for one in store.recent(10)] == ["d1", "d2"]
    assert {one.service for one in store.of_decision("d2")} == {"game", "client", "gateway"}


def test_a_trace_that_goes_takes_all_its_decisions_along() -> None:
    store = SpanStore(2)
    store.add([span("old", "d1", decision="d1"), span("old", "d2", decision="d2")])
    store.add([span("new", "d3", decision="d3")])
    assert store.of_decision("d1") == store.of_decision("d2") == []
    assert store._by_decision.keys() == {"d3"}
    assert store.dropped == 2
