"""What the evidence store counts. Labels are small closed sets; never a tenant's or a person's name."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

KEPT = Counter("evidence_kept", "Files kept.", ["kind"])
KEPT_BYTES = Counter("evidence_kept_bytes", "Bytes of the files kept, as they came.")
REFUSED = Counter("evidence_refused", "Files that could not be kept.", ["reason"])
DELETED = Counter("evidence_deleted", "Files deleted.", ["why"])
READ = Counter("evidence_read", "Files that somebody asked to see.", ["outcome"])
STORED_BYTES = Gauge("evidence_stored_bytes", "What the store holds, sealed. Of a folder only: a bucket knows itself.")
OVERDUE = Gauge(
    "evidence_overdue", "Files whose time is over and that are neither held nor gone. Above 0 for an hour: act."
)
HELD = Gauge("evidence_held", "Files that are held.")
STORE_UP = Gauge("evidence_store_up", "Whether the store answered when retention last looked.")
