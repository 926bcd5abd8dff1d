"""What the gateway counts, beside what every server does."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.004, 0.008, 0.012, 0.02, 0.03, 0.05, 0.08, 0.12, 0.25, 0.5, 1.0, 2.0, 5.0)

ITEMS = Counter("items", "Items that came in, whatever became of them.", ["tenant"])
DECISIONS = Counter("decisions", "Decisions answered.", ["outcome"])
REPLAYS = Counter("decisions_replayed", "Answers that repeat an earlier decision.")
FAILURES = Counter("decisions_failed", "Items that ended with an error after their turn had come.", ["code"])
DEGRADATIONS = Counter("degradations", "Parts a decision had to do without.", ["part", "reason"])
DECISION_SECONDS = Histogram("decision_duration_seconds", "From arrival to answer.", buckets=_SECONDS)
ADMISSION_SECONDS = Histogram("admission_wait_seconds", "From arrival to the item's turn.", buckets=_SECONDS)
IN_FLIGHT = Gauge("items_in_flight", "Items being worked on.")
WAITING = Gauge("items_waiting", "Items waiting for their turn.")
STREAMS = Gauge("streams_open", "Streams being served, voices among them.")
VOICES = Gauge("voices_open", "Voices being listened to.")
SPOOL_RECORDS = Gauge("spool_records", "Decisions on the gateway's disk that the log does not have yet.")
SPOOL_PARKED = Counter("spool_parked", "Spooled decisions that the log refuses for good.", ["code"])
BACKGROUND_FAILURES = Counter("decisions_uncounted", "Decisions that context could not be told of.")
RECORDS_TOO_LARGE = Counter("records_too_large", "Decisions not made, for the log would not take their records.")
TRACES_DROPPED = Counter("traces_dropped", "Decisions whose spans could not be exported.", ["reason"])
