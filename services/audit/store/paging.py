"""Page tokens: where the last page ended, bound to its filter.

Opaque, not secret: whose rows they lead to is decided by the caller's own tenant.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from services.runtime.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page."""

    time: datetime
    row_id: str


def write_token(position: Position, filter_: str) -> str:
    """The token that continues after `position`."""
    document = [position.time.isoformat(), str(position.row_id), _digest(filter_)]
    return base64.urlsafe_b64encode(orjson.dumps(document)).decode()


def read_token(token: str, filter_: str) -> Position:
    """Raises InvalidRequest for a token that we did not write or that belongs to another filter."""
    try:
        when, row_id, digest = orjson.loads(base64.urlsafe_b64decode(token.encode()))
        position = Position(datetime.fromisoformat(when), str(UUID(row_id)))
        if position.time.tzinfo is None:
            raise ValueError(when)  # noqa: TRY301 - one answer for every bad token
    except (ValueError, TypeError, AttributeError):
        raise InvalidRequest.field("page_token", "is not a token of this list; start without one") from None
    if digest != _digest(filter_):
        raise InvalidRequest.field("page_token", "belongs to another filter; use the filter of the first page")
    return position


def _digest(filter_: str) -> str:
    return hashlib.sha256(filter_.encode()).hexdigest()[:16]
