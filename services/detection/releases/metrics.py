"""What is counted about releases. Names of releases are few: each has a document."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ROLES = Gauge(
    "detection_release",
    "Whether a release runs, by what for; `draining` until its last answer.",
    ["release", "role"],
)
WAITING = Gauge(
    "detection_release_waiting",
    "1 while a release of the plan does not answer; what ran before goes on.",
)
LINES = Counter("detection_release_lines_total", "Lines decided, by the release that did.", ["release", "arm"])
SHADOW = Counter(
    "detection_shadow_lines_total",
    "Lines for the shadow: in time for the record, late, or not compared (full, busy, over, failed, incomplete).",
    ["release", "outcome"],
)
DISAGREED = Counter(
    "detection_shadow_disagreements_total",
    "Lines that a limit of the plan parts: above it for one release alone.",
    ["release", "category", "above"],
)
COMPARED = Counter(
    "detection_shadow_compared_total", "Lines whose scores by shadow and live were compared.", ["release"]
)
DIFFERENCE = Histogram(
    "detection_shadow_difference",
    "How far apart the scores of shadow and live are.",
    ["release", "category"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0),
)
