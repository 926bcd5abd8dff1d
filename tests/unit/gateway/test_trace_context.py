"""W3C trace context: what is not one is ignored."""

from __future__ import annotations

import pytest

from gateway.trace_context import TraceContext, new_span_id, parse, traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_traceparent_is_read() -> None:
    assert parse(f"00-{TRACE}-{SPAN}-01") == TraceContext(TRACE, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_what_is_none_is_ignored(text: str) -> None:
    assert parse(text) is None


def test_what_is_written_can_be_read() -> None:
    span = new_span_id()
    assert parse(traceparent(TRACE, span)) == TraceContext(TRACE, span)
    assert span != new_span_id()
