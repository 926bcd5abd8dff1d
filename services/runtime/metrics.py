"""The metrics every hop has: the four golden signals, batch sizes and queue times. Labels are small closed sets."""

from __future__ import annotations

from functools import partial

from prometheus_client import Counter, Gauge, Histogram, start_http_server

_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

RPC_SECONDS = Histogram(
    "rpc_server_call_duration_seconds", "Time to serve a call.", ["rpc_method", "code"], buckets=_SECONDS
)
RPC_IN_FLIGHT = Gauge("rpc_server_calls_in_flight", "Calls being served.", ["rpc_method"])
BATCH_ITEMS = Histogram("coalescer_batch_items", "Items sent in one list.", ["hop"], buckets=_ITEMS)
QUEUE_SECONDS = Histogram(
    "coalescer_queue_seconds", "How long the first item of a list waited for a slot.", ["hop"], buckets=_SECONDS
)
REFUSALS = Counter("refusals_total", "Calls and items refused before any work was done.", ["part", "reason"])


class BatchMetrics:
    """Tells Prometheus of every list a coalescer sends."""

    def __init__(self, hop: str) -> None:
        """`hop` is who the list is for, from the small set of parts."""
        self._items = BATCH_ITEMS.labels(hop)
        self._wait = QUEUE_SECONDS.labels(hop)

    def __call__(self, *, items: int, longest_wait_seconds: float) -> None:
        """See `moat_client.coalescer.BatchObserver`."""
        self._items.observe(items)
        self._wait.observe(longest_wait_seconds)


serve_metrics = partial(start_http_server, addr="127.0.0.1")
"""Serves `/metrics` on a loopback port, on a thread of its own: `serve_metrics(port)`."""
