"""Moves the spool to the log once the log is back. The one who finds out that it is."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

from google.rpc import code_pb2
from moat.audit.v1 import decision_log_service_pb2

from gateway.metrics import SPOOL_PARKED
from services.runtime.errors import MoatError
from services.runtime.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.spool import Spool
    from gateway.spool_file import Spooled
    from services.runtime.lists.asking import ListCaller

_GROUP = 64
_CALL_SECONDS = 5.0
_TRANSIENT = frozenset(
    (
        code_pb2.UNAVAILABLE,
        code_pb2.DEADLINE_EXCEEDED,
        code_pb2.RESOURCE_EXHAUSTED,
        code_pb2.ABORTED,
        code_pb2.CANCELLED,
        code_pb2.INTERNAL,
        code_pb2.UNKNOWN,
    )
)


class Replay:
    """Runs for the process's life. Appending twice is harmless (the log knows decisions by id), forgetting early is
    not: an entry leaves the spool only when the log has said that it holds it."""

    def __init__(
        self, spool: Spool, append: ListCaller, *, pause_seconds: float, on_reached: Callable[[], None]
    ) -> None:
        """`append` is AppendDecisions; `on_reached` is called whenever the log has taken something."""
        self._spool = spool
        self._append = append
        self._pause = pause_seconds
        self._on_reached = on_reached

    async def run(self) -> None:
        """Never returns; cancel it."""
        while True:
            try:
                moved = len(self._spool) > 0 and await self.move_some()
            except MoatError as error:
                moved = False
                log.info("spool_replay_waits", reason=error.reason, spooled=len(self._spool))
            except (sqlite3.Error, OSError) as error:
                moved = False
                log.error("spool_unusable", error=str(error))
            if not moved:
                await asyncio.sleep(self._pause)

    async def move_some(self) -> bool:
        """Moves a group; whether anything left the spool. Raises MoatError when the log cannot be reached."""
        entries = await self._spool.oldest(_GROUP)
        if not entries:
            return False
        held, refused = await self._ask(entries)
        if held:
            self._on_reached()
            await self._spool.forget(held)
            log.info("spool_moved", decisions=len(held), left=len(self._spool))
        if refused:
            await self._spool.park(refused)
        return bool(held or refused)

    async def _ask(self, entries: list[Spooled]) -> tuple[list[Spooled], list[Spooled]]:
        request = decision_log_service_pb2.AppendDecisionsRequest(
            items=[decision_log_service_pb2.AppendItem.FromString(entry.item) for entry in entries]
        )
        held: list[Spooled] = []
        refused: list[Spooled] = []

        def answered(response: decision_log_service_pb2.AppendDecisionsResponse) -> None:
            for result in response.results:
                entry = entries[result.index]
                if result.error.code == code_pb2.OK:
                    held.append(entry)
                elif result.error.code not in _TRANSIENT:
                    code = code_pb2.Code.Name(result.error.code)
                    log.error("spool_entry_refused", decision_id=entry.decision_id, code=code)
                    SPOOL_PARKED.labels(code).inc()
                    refused.append(entry)

        await self._append.ask(request, timeout=_CALL_SECONDS, answered=answered)
        return held, refused
