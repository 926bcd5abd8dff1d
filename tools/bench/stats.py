"""What a run of requests comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """Rate and latency of one case; latencies in milliseconds."""

    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    def as_json(self) -> dict[str, float]:
        """Rounded for people."""
        return {key: round(value, 2) for key, value in asdict(self).items()}


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie (nearest rank). NaN for none."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summarise(latencies_seconds: Sequence[float], elapsed_seconds: float) -> Result:
    """Of the requests that were answered within `elapsed_seconds`."""
    ordered = sorted(latencies_seconds)
    return Result(
        per_s=len(ordered) / elapsed_seconds if elapsed_seconds else 0.0,
        p50_ms=percentile(ordered, 0.50) * 1000,
        p95_ms=percentile(ordered, 0.95) * 1000,
        p99_ms=percentile(ordered, 0.99) * 1000,
    )
