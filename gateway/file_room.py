"""How many bytes of pictures and clips may be in the gateway at a time. Lines are bounded by number, which would allow gigabytes
here."""

from __future__ import annotations

from collections import Counter

from services.runtime.errors import OverQuota

_RETRY_SECONDS = 1.0


class FileRoom:
    """Bytes that were taken in and not answered yet. Belongs to one event loop."""

    def __init__(self, most_bytes: int) -> None:
        """Of which one tenant may have half, so that there is always room for another."""
        self._most = most_bytes
        self._taken = 0
        self._by_tenant: Counter[str] = Counter()

    def take(self, tenant: str, size: int) -> OverQuota | None:
        """Takes room for an item's files, or says why there is none. What was taken is given back by `free`."""
        if self._taken + size > self._most or self._by_tenant[tenant] + size > self._most // 2:
            message = "too many pictures and clips are being decided; send fewer at a time"
            return OverQuota(
                message, reason="FILES_WAITING", metadata={"subject": tenant}, retry_after_seconds=_RETRY_SECONDS
            )
        self._taken += size
        self._by_tenant[tenant] += size
        return None

    def free(self, tenant: str, size: int) -> None:
        """Gives it back."""
        self._taken -= size
        self._by_tenant[tenant] -= size
        if not self._by_tenant[tenant]:
            del self._by_tenant[tenant]
