"""The banks as they are now: read again, apart from the event loop, when their files have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import Counter, Gauge

from services.detection.images.banks.banks import Banks
from services.detection.images.banks.entries import BadBank
from services.detection.images.banks.folder import Signature, signature
from services.runtime.logs import log

ENTRIES = Gauge("detection_bank_entries", "Entries of the hash banks that are on.")
RELOADS = Counter("detection_bank_reloads_total", "Times the hash banks were read again.", ["outcome"])
_LOOK_SECONDS = 1.0


class LiveBanks:
    """Always has banks to ask: when the files have gone bad, those that were good last."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Reads them. Raises BadBank."""
        self._folders = folders
        self._seen: Signature = signature(folders)
        self.current = Banks.load(folders)
        ENTRIES.set(len(self.current))

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Reads the files again if they have changed since they were read."""
        seen = signature(self._folders)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.current = await asyncio.to_thread(Banks.load, self._folders)
        except (BadBank, OSError) as error:
            RELOADS.labels("bad").inc()
            log.error("banks_bad_last_good_used", error=str(error))
            return
        RELOADS.labels("good").inc()
        ENTRIES.set(len(self.current))
        log.info("banks_read", entries=len(self.current), version=self.current.version)
