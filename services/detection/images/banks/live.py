"""The banks as they are now: read again when their files have changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prometheus_client import Gauge

from services.detection.images.banks.banks import Banks
from services.runtime.reloading import Reloading

ENTRIES = Gauge("detection_bank_entries", "Entries of the hash banks that are on.")


def live_banks(folders: Sequence[Path]) -> Reloading[Banks]:
    """Those of some folders. Raises BadBank."""
    live = Reloading("hash_banks", folders, partial(Banks.load, folders), endings=(".csv", ".yaml"), changed=_tell)
    _tell(live.current)
    return live


def _tell(banks: Banks) -> None:
    ENTRIES.set(len(banks))
