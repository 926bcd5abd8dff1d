"""The trace of a call that several items share."""

from __future__ import annotations

import os

_PARTS = 4
"""Of W3C trace context's header."""


def trace_of(traceparent: str) -> tuple[bytes, bytes]:
    """Trace and span id of a call: it belongs to the trace of its first item; the others link to it."""
    parts = traceparent.split("-")
    trace_id = bytes.fromhex(parts[1]) if len(parts) == _PARTS else os.urandom(16)
    return trace_id, os.urandom(8)


def header(trace_id: bytes, span_id: bytes) -> dict[str, str]:
    """What Triton hangs its own spans under."""
    return {"traceparent": f"00-{trace_id.hex()}-{span_id.hex()}-01"}
