"""W3C trace context, as far as a decision needs it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: ids in hex."""

    trace_id: str
    span_id: str


def parse(traceparent: str) -> TraceContext | None:
    """None for what is empty or not a traceparent: the standard says to go on as if there were none."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or match[1] == _NO_TRACE or match[2] == _NO_SPAN or traceparent.startswith("ff"):
        return None
    return TraceContext(match[1], match[2])


def new_span_id() -> str:
    """16 hex digits. Need not be unguessable, only different."""
    return f"{random.getrandbits(64) or 1:016x}"


def traceparent(trace_id: str, span_id: str) -> str:
    """As it goes on the wire; always sampled, for who keeps what is decided at the end."""
    return f"00-{trace_id}-{span_id}-01"
