"""Ids that sort by the time they were made."""

from __future__ import annotations

from uuid_utils import uuid7


def new_id() -> str:
    """A UUIDv7 (RFC 9562) in its usual text form, 36 characters."""
    return str(uuid7())
