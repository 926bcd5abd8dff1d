"""Takes the time of one hop's work, cheaply enough to do it for every item."""

from __future__ import annotations

import time

from moat.mesh.v1 import item_pb2


class Stopwatch:
    """Started when a list arrives at a hop; makes each item's HopTiming when it leaves."""

    __slots__ = ("_received", "_started", "batch_size")

    def __init__(self, batch_size: int) -> None:
        """`batch_size` is the number of items that arrived together."""
        self._received = time.time_ns()
        self._started = time.perf_counter_ns()
        self.batch_size = batch_size

    def micros(self) -> int:
        """Microseconds since the list arrived."""
        return (time.perf_counter_ns() - self._started) // 1000

    def timing(self, *, queue_micros: int = 0) -> item_pb2.HopTiming:
        """The timing of an item that leaves now."""
        return item_pb2.HopTiming(
            received_unix_nanos=self._received,
            queue_micros=queue_micros,
            total_micros=self.micros(),
            batch_size=self.batch_size,
        )


def seconds_left(deadline_unix_nanos: int) -> float | None:
    """Seconds until an item's deadline; None when it has none."""
    if not deadline_unix_nanos:
        return None
    return (deadline_unix_nanos - time.time_ns()) / 1e9
