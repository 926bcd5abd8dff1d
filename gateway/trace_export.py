"""Sends kept decisions' spans to the collector, a few at a time, between other work. Never in anybody's way."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

from gateway.metrics import TRACES_DROPPED
from gateway.spans import Spans
from services.runtime.logs import log

if TYPE_CHECKING:
    from gateway.traces import Finished

_PAUSE_SECONDS = 0.1
_GROUP = 16
_CALL_SECONDS = 2.0


class TraceExport:
    """A bounded queue and one sender. When the collector is away or slow, traces are dropped and counted."""

    def __init__(self, channel: grpc.aio.Channel, *, max_waiting: int) -> None:
        """`channel` leads to an OTLP receiver."""
        self._export = trace_service_pb2_grpc.TraceServiceStub(channel).Export  # type: ignore[no-untyped-call]
        self._waiting: deque[Finished] = deque()
        self._max_waiting = max_waiting
        self._well = True

    def offer(self, finished: Finished) -> None:
        """Queues a decision's spans; drops them when there are too many."""
        if len(self._waiting) >= self._max_waiting:
            TRACES_DROPPED.labels("queue_full").inc()
        else:
            self._waiting.append(finished)

    async def run(self) -> None:
        """Never returns; cancel it, then `flush`."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Sends what waits."""
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(_GROUP, len(self._waiting)))]
            spans = Spans()
            for finished in group:
                spans.add(finished)
            try:
                await self._export(spans.request, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                TRACES_DROPPED.labels("export_failed").inc(len(group))
                self._report(well=False, code=error.code().name)
                return
            self._report(well=True, code="OK")

    def _report(self, *, well: bool, code: str) -> None:
        if well is not self._well:
            log.info("trace_export_changed", well=well, code=code)
        self._well = well
