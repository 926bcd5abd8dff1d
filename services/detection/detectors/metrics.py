"""What is counted of detectors. Their names come from configuration, so they are few."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from services.detection.detectors.breaker import State

ANSWERS = Counter(
    "detection_detector_answers_total", "Contents by what a detector said of them.", ["detector", "state"]
)
SECONDS = Histogram(
    "detection_detector_seconds",
    "How long a content waited for a detector.",
    ["detector"],
    buckets=(0.001, 0.004, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
COST = Counter("detection_detector_cost_micros_total", "What a detector has cost.", ["detector"])
BREAKER = Gauge("detection_detector_breaker", "0 closed, 1 half open, 2 open.", ["detector"])
OPENED = Counter("detection_detector_breaker_opened_total", "Times a detector's breaker has opened.", ["detector"])
WITHHELD = Counter(
    "detection_detector_withheld_total", "Contents that no detector was shown since they are known for what they are."
)
BREAKER_VALUES = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


def forget(detector: str) -> None:
    """A detector that is no more has no breaker to show."""
    BREAKER.remove(detector)
