"""How long the parts of scoring one item took, as a record keeps it."""

from __future__ import annotations

from moat.mesh.v1 import item_pb2


def stage(name: str, began: float, asked: float, seconds: float, batch_size: int = 1) -> item_pb2.HopTiming.Stage:
    """One part: `asked` is when it began, and `began` when the item's scoring did, both by `time.perf_counter`."""
    return item_pb2.HopTiming.Stage(
        name=name,
        offset_micros=max(0, int((asked - began) * 1e6)),
        duration_micros=max(0, int(seconds * 1e6)),
        batch_size=batch_size,
    )
