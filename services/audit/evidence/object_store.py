"""Where sealed files lie: what every store must do, and how its objects are named."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

from services.runtime.errors import DependencyDown, OverQuota

_RETRY_SECONDS = 30.0


class ObjectStore(Protocol):
    """Bytes by name. One conformance suite runs over all of them (`tests/contract/audit/test_object_stores.py`)."""

    async def put(self, name: str, data: bytes) -> None:
        """Durable when it returns; whatever the name held before is replaced as a whole. Raises StoreFull or StoreDown."""

    async def get(self, name: str) -> bytes | None:
        """The bytes, or None where the name holds nothing. Raises StoreDown."""

    async def delete(self, name: str) -> None:
        """Gone for good when it returns; a name that holds nothing is no error. Raises StoreDown."""

    async def ping(self) -> bool:
        """Whether it answers. May raise StoreDown."""


class StoreFull(OverQuota):
    """There is no room for another object."""

    default_reason = "EVIDENCE_FULL"

    def __init__(self, message: str = "the evidence store has no room; give it some, or keep less") -> None:
        """Somebody has to make room, so whoever waits may wait for long."""
        super().__init__(message, retry_after_seconds=_RETRY_SECONDS)


class StoreDown(DependencyDown):
    """It does not answer, or not as a store does."""

    default_reason = "EVIDENCE_STORE_DOWN"

    def __init__(self, message: str = "the evidence store does not answer") -> None:
        """The cause is in the log of whoever raised it, never in the message."""
        super().__init__(message, retry_after_seconds=1.0)


def object_name(tenant: str, environment: str, evidence_id: str) -> str:
    """`tenant/environment/xx/evidence_id`, where xx spreads the objects over folders. No part can name another folder."""
    return "/".join((_part(tenant), _part(environment), _part(evidence_id[-2:]), _part(evidence_id)))


def _part(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E")
