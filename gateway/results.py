"""Results of items as they go on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moat.moderation.v1 import moderation_pb2, moderation_service_pb2

if TYPE_CHECKING:
    from google.rpc import status_pb2

    from gateway.desk import Outcome
    from services.runtime.errors import MoatError


class Results:
    """Gathers results for one message. Items refused together share their error: its status is made once."""

    def __init__(self) -> None:
        """Empty."""
        self.gathered: list[moderation_service_pb2.ModerationResult] = []
        self._last: tuple[MoatError, status_pb2.Status] | None = None

    def add(self, request_id: str, outcome: Outcome) -> None:
        """One more."""
        if isinstance(outcome, moderation_pb2.Decision):
            result = moderation_service_pb2.ModerationResult(request_id=request_id, decision=outcome)
        else:
            result = moderation_service_pb2.ModerationResult(request_id=request_id, error=self._status(outcome))
        self.gathered.append(result)

    def _status(self, error: MoatError) -> status_pb2.Status:
        if self._last is None or self._last[0] is not error:
            self._last = error, error.to_status()
        return self._last[1]
