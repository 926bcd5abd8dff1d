"""Words of pictures that came a while ago, by tenant: the same bytes are not read again. A picture that only looks the same is:
two that are alike to the eye may say what they like."""

from __future__ import annotations

from collections import OrderedDict

from services.detection.images.cache import Owner
from services.detection.images.words.lines import Found

_OVERHEAD = 64
"""Code points that a picture counts as besides its words."""


class KeptWords:
    """Forgets what is old, and what was kept first. In memory only. Belongs to one event loop."""

    def __init__(self, *, code_points: int, owners: int, seconds: float) -> None:
        """At most `code_points` of an owner and `owners` at a time, each picture for `seconds`; 0 seconds keep nothing."""
        self._most = code_points
        self._owners = owners
        self._seconds = seconds
        self._of: OrderedDict[Owner, _Shelf] = OrderedDict()

    def find(self, owner: Owner, sha256: bytes, now: float) -> Found | None:
        """What the same bytes said; no words are an answer too."""
        shelf = self._of.get(owner)
        return None if shelf is None else shelf.find(sha256, now)

    def keep(self, owner: Owner, sha256: bytes, found: Found, now: float) -> None:
        """Unless something was left unread: that may be read the next time."""
        if not found.whole or self._seconds <= 0:
            return
        shelf = self._of.setdefault(owner, _Shelf(self._most))
        self._of.move_to_end(owner)
        if len(self._of) > self._owners:
            self._of.popitem(last=False)
        shelf.keep(sha256, found, now + self._seconds)


class _Shelf:
    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._found: OrderedDict[bytes, tuple[float, Found]] = OrderedDict()

    def find(self, sha256: bytes, now: float) -> Found | None:
        until, found = self._found.get(sha256, (0.0, None))
        return found if until > now else None

    def keep(self, sha256: bytes, found: Found, until: float) -> None:
        _, before = self._found.pop(sha256, (0.0, None))
        self._held += _size(found) - (0 if before is None else _size(before))
        self._found[sha256] = (until, found)
        while self._held > self._most:
            _, (_, oldest) = self._found.popitem(last=False)
            self._held -= _size(oldest)


def _size(found: Found) -> int:
    return _OVERHEAD * (1 + len(found.places)) + len(found.text)
