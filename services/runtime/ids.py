"""Ids that sort by the time they were made."""

from __future__ import annotations

import re

from uuid_utils import uuid7

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> str:
    """A UUIDv7 (RFC 9562) in its usual text form, 36 characters."""
    return str(uuid7())


def is_uuid(text: str) -> bool:
    """Whether it is a UUID in its usual text form, in lower case: what a database takes and gives back unchanged."""
    return _UUID.fullmatch(text) is not None
