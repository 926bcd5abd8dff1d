"""Spans as rows of a waterfall: where each bar begins, how long it is, how deep it stands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.spans import Span

_LONG_STREAM = 60_000_000_000
"""Nanoseconds: a chat server's own stream lasts for hours, and would make every other bar a dot."""


@dataclass(frozen=True, slots=True)
class Row:
    """One bar; `left` and `width` in percent of the whole."""

    span: Span
    depth: int
    left: float
    width: float
    milliseconds: float


def rows_of(spans: Sequence[Span]) -> list[Row]:
    """Parents before children, siblings by start. A span without its parent here stands at the top."""
    if not spans:
        return []
    ids = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(
            span.parent_id if span.parent_id in ids and span.parent_id != span.span_id else "", []
        ).append(span)
    short = [span for span in spans if span.end - span.start < _LONG_STREAM] or list(spans)
    begin, end = min(span.start for span in short), max(span.end for span in short)
    whole = max(1, end - begin)
    rows: list[Row] = []
    stack = [(span, 0) for span in reversed(children.get("", []))]
    seen: set[str] = set()
    while stack:
        span, depth = stack.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        left = min(max(0.0, (span.start - begin) / whole * 100), 100.0)
        width = min(max(0.3, (span.end - span.start) / whole * 100), 100.3 - left)
        rows.append(Row(span, depth, left, width, (span.end - span.start) / 1e6))
        stack += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    return rows
