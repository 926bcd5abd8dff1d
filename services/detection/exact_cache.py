"""What was found in a text before: chat repeats itself, and the same text is not scored twice for a tenant."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from moat.detection.v1 import signals_pb2
from prometheus_client import Counter

from services.detection.detectors.inquiry import complete
from services.detection.scorer import Line, Scored

LINES = Counter("detection_cache_lines_total", "Lines by whether the exact cache knew them.", ["known"])
_HIT = signals_pb2.TierUse(name="cache", version="1", reason="seen")
_DIGEST_BYTES = 16


class ExactCache:
    """Signals by tenant and text, for a while. Keeps digests of texts and not the texts; a tenant pushes out its own oldest,
    and when all is full, the tenant goes that has been quiet longest."""

    def __init__(
        self, *, entries: int, tenant_entries: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """At most `entries` in all and `tenant_entries` a tenant, each for `seconds`. 0 entries keep nothing."""
        self._entries = entries
        self._tenant_entries = min(entries, tenant_entries)
        self._held = 0
        self._seconds = seconds
        self._clock = clock
        self._tenants: OrderedDict[str, OrderedDict[bytes, tuple[float, signals_pb2.Signals]]] = OrderedDict()

    def find(self, tenant: str, text: str, version: str) -> signals_pb2.Signals | None:
        """What was found under the same `version`: a copy with the cache named as the first tier; the tiers that found it
        follow, with their versions."""
        known = self._tenants.get(tenant)
        entry = None if known is None else known.get(_digest(text, version))
        if entry is None or entry[0] < self._clock():
            return None
        signals = signals_pb2.Signals()
        signals.CopyFrom(entry[1])
        # What was tried then may not be tried now.
        signals.ClearField("shadow")
        signals.tiers.insert(0, _HIT)
        for finding in signals.detectors:
            finding.cost_micros = 0
        return signals

    def keep(self, tenant: str, text: str, version: str, signals: signals_pb2.Signals) -> None:
        """Unless something was missing: that may be there the next time."""
        if signals.degraded or not self._entries or not complete(signals):
            return
        known = self._tenants.setdefault(tenant, OrderedDict())
        self._tenants.move_to_end(tenant)
        self._held -= len(known)
        known[_digest(text, version)] = (self._clock() + self._seconds, signals)
        if len(known) > self._tenant_entries:
            known.popitem(last=False)
        self._held += len(known)
        while self._held > self._entries:
            _, forgotten = self._tenants.popitem(last=False)
            self._held -= len(forgotten)


class LineScorer(Protocol):
    """Scores lines."""

    def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        """Yields results as they are ready, one a line."""

    def version(self, line: Line) -> str:
        """Of what may change while this runs: what was found in a text under one version says nothing under another."""


class CachingScorer:
    """A scorer that looks into the cache first."""

    def __init__(self, scorer: LineScorer, cache: ExactCache) -> None:
        """What the cache does not know is the scorer's."""
        self._scorer = scorer
        self._cache = cache

    async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        """See `Scorer.score`; what is known is there at once."""
        known, unknown = [], []
        versions = [self._scorer.version(line) for line in lines]
        for index, line in enumerate(lines):
            signals = self._cache.find(line.tenant, line.text, versions[index])
            if signals is None:
                unknown.append(index)
            else:
                known.append(Scored(index, signals, []))
        LINES.labels("yes").inc(len(known))
        LINES.labels("no").inc(len(unknown))
        if known:
            yield known
        if unknown:
            async for part in self._scorer.score([lines[index] for index in unknown]):
                found = [replace(one, index=unknown[one.index]) for one in part]
                for one in found:
                    self._keep(lines[one.index], versions[one.index], one.signals)
                yield found

    def _keep(self, line: Line, version: str, signals: signals_pb2.Signals) -> None:
        # Where it has changed meanwhile, nobody can say under which of the two this was found.
        if self._scorer.version(line) == version:
            self._cache.keep(line.tenant, line.text, version, signals)


def _digest(text: str, version: str) -> bytes:
    return hashlib.blake2b(f"{version}\0{text}".encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
