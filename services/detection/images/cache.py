"""What was found of pictures a while ago, by tenant: what is the same, or looks the same, is not looked at again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detection.images.pdq import GOOD_QUALITY, Pdq

NEAR = 10
"""Bits in which the hashes of two pictures may differ that are one to the eye: resized, or compressed anew."""
Owner = tuple[str, str]
"""Tenant and environment. Nobody's pictures tell anything about another's."""


@dataclass(frozen=True, slots=True)
class Known:
    """A picture that was looked at."""

    pdq: Pdq
    width: int
    height: int
    format: str
    probability: float | None
    """What the model said; None when it said nothing, and then the picture is not kept."""
    until: float
    """When that is too old, on `time.monotonic`'s clock."""
    looked_at: bytes
    """PDQ hash of the picture that the model looked at, which this one may only be like. Likeness is to that one: step by step,
    small changes lead from any picture to any other."""


class JudgementCache:
    """Forgets what is old, and what was least recently asked for. Belongs to one event loop."""

    def __init__(self, *, pictures: int, owners: int, seconds: float) -> None:
        """At most `pictures` of an owner and `owners` at a time, each picture for `seconds`; 0 seconds is no cache."""
        self._pictures = pictures
        self._owners = owners
        self._seconds = seconds
        self._of: OrderedDict[Owner, _Shelf] = OrderedDict()

    def exact(self, owner: Owner, sha256: bytes, now: float) -> Known | None:
        """The same bytes."""
        shelf = self._of.get(owner)
        return None if shelf is None else shelf.exact(sha256, now)

    def near(self, owner: Owner, pdq: Pdq, now: float) -> Known | None:
        """The picture most like this one, if it is like enough."""
        shelf = self._of.get(owner)
        return None if shelf is None or pdq.quality < GOOD_QUALITY else shelf.near(pdq.hash, now)

    def keep(self, owner: Owner, sha256: bytes, known: Known) -> None:
        """A picture that was looked at now, or that is like one: then with the age of that one's judgement."""
        if self._seconds <= 0:
            return
        shelf = self._of.get(owner)
        if shelf is None:
            shelf = self._of[owner] = _Shelf(self._pictures)
        self._of.move_to_end(owner)
        while len(self._of) > self._owners:
            self._of.popitem(last=False)
        shelf.keep(sha256, known)

    def until(self, now: float) -> float:
        """How long what is found at `now` may be used."""
        return now + self._seconds


class _Shelf:
    """One owner's. Hashes lie side by side, so that all are compared at once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._place: OrderedDict[bytes, int] = OrderedDict()
        """By SHA-256, least recently used first."""
        self._known: list[Known] = []
        self._hashes: NDArray[np.uint64] = np.zeros((size, 4), dtype=np.uint64)

    def exact(self, sha256: bytes, now: float) -> Known | None:
        place = self._place.get(sha256)
        if place is None or self._known[place].until <= now:
            return None
        self._place.move_to_end(sha256)
        return self._known[place]

    def near(self, pdq_hash: bytes, now: float) -> Known | None:
        words = np.frombuffer(pdq_hash, dtype=np.uint64)
        distances = np.bitwise_count(self._hashes[: len(self._known)] ^ words).sum(axis=1, dtype=np.int64)
        for place in np.argsort(distances, kind="stable"):
            if distances[place] > NEAR:
                return None
            known = self._known[int(place)]
            if known.until > now and known.pdq.quality >= GOOD_QUALITY:
                return known
        return None

    def keep(self, sha256: bytes, known: Known) -> None:
        place = self._place.pop(sha256, None)
        if place is None and len(self._known) < self._size:
            place = len(self._known)
            self._known.append(known)
        elif place is None:
            _, place = self._place.popitem(last=False)
        self._place[sha256] = place
        self._known[place] = known
        self._hashes[place] = np.frombuffer(known.looked_at, dtype=np.uint64)
