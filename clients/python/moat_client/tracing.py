"""Takes part in the traces of the program it serves, if that uses OpenTelemetry; otherwise every item has its own.

The API package is all that is asked for, and it may be missing. Spans are made by the program's own tracer provider, and
say which decision it was and what came of it, never what was said or by whom.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from typing import TYPE_CHECKING, Any, Self

from moat.moderation.v1 import moderation_pb2
from moat_client.errors import MoatError
from moat_client.types import Decision

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_api: Any = None
with contextlib.suppress(ImportError):
    _api = importlib.import_module("opentelemetry.trace")


class Tracing:
    """Begins the span of each item."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        """`provider`: the program's global one, if None; it may be set later."""
        self._tracer = _api.get_tracer("moat_client", tracer_provider=provider) if _api else None

    def begin(self, item: moderation_pb2.ModerationItem) -> Untraced:
        """Use it with `with`. Gives the item a traceparent, unless its caller did."""
        if item.traceparent:
            return _UNTRACED
        if self._tracer is not None:
            facts = {"moat.request_id": item.request_id}
            span = self._tracer.start_span("moat.moderate", kind=_api.SpanKind.CLIENT, attributes=facts)
            place = span.get_span_context()
            # Without a provider a span is none of its own: it has the caller's place in his trace, or no place at all.
            if place.is_valid:
                item.traceparent = f"00-{place.trace_id:032x}-{place.span_id:016x}-{int(place.trace_flags):02x}"
                return _Traced(span)
        item.traceparent = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"
        return _UNTRACED


class Untraced:
    """Of an item that nobody but the mesh makes spans of."""

    def __enter__(self) -> Self:
        """The item is being decided."""
        return self

    def decided(self, decision: Decision) -> None:
        """What came of it."""

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """It is over."""


_UNTRACED = Untraced()


class _Traced(Untraced):
    """Of an item whose span is ours."""

    def __init__(self, span: Any) -> None:  # noqa: ANN401 - the package may be missing
        self._span = span

    def decided(self, decision: Decision) -> None:
        self._span.set_attribute("moat.outcome", decision.outcome)
        if decision.decision_id:
            self._span.set_attribute("moat.decision_id", decision.decision_id)
        if decision.outage:
            self._span.set_attribute("moat.outage", value=True)

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is not None:
            reason = error.reason if isinstance(error, MoatError) else type(error).__name__
            self._span.set_attribute("moat.error", reason)
            self._span.set_status(_api.Status(_api.StatusCode.ERROR, reason))
        self._span.end()
