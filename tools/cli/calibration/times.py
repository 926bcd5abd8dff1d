"""Times as they are typed."""

from __future__ import annotations

import argparse
from datetime import datetime


def moment(text: str) -> str:
    """RFC 3339 with a zone, of a date (UTC) or a time with its zone. Raises argparse.ArgumentTypeError."""
    try:
        time = datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00+00:00")
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 2026-11-01, or 2026-11-01T06:00:00Z")
    return time.isoformat()


def span(text: str) -> tuple[str, str]:
    """Two of them: `2026-10-01..2026-11-01`. Raises argparse.ArgumentTypeError."""
    begin, dots, end = text.partition("..")
    if not dots or not begin or not end:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time: 2026-10-01..2026-11-01")
    return moment(begin), moment(end)
