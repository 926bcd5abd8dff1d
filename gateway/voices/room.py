"""How many voices may be open at a time: each costs a little all the time, whether anybody speaks or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.metrics import VOICES
from services.runtime.errors import OverQuota

_RETRY_SECONDS = 5.0


class VoiceRoom:
    """Belongs to one event loop."""

    def __init__(self, most: int) -> None:
        """Of which one tenant may have half, so that there is always room for another."""
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, tenant: str) -> Iterator[None]:
        """Room for a voice while it is open. Raises OverQuota."""
        if self._open.total() >= self._most or self._open[tenant] >= max(1, self._most // 2):
            message = "too many voices are being listened to; open this one later, or send clips"
            raise OverQuota(
                message, reason="VOICES_OPEN", metadata={"subject": tenant}, retry_after_seconds=_RETRY_SECONDS
            )
        self._count(tenant, 1)
        try:
            yield
        finally:
            self._count(tenant, -1)

    def _count(self, tenant: str, by: int) -> None:
        self._open[tenant] += by
        if not self._open[tenant]:
            del self._open[tenant]
        VOICES.set(self._open.total())
