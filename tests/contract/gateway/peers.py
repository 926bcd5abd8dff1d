# ruff: noqa: N802 - methods are named as RPCs are
"""Small real servers in the place of the gateway's peers: they answer by simple rules, and misbehave when told to.

A text with `rude` in it scores as an insult and is masked; `spam` is dropped; `threat` mutes its author for an hour. Pictures and
clips are taken for texts: their bytes are looked at in the same way, and what stands after `says:` is words that they carry.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from google.protobuf import duration_pb2
from google.rpc import status_pb2
from moat.audit.v1 import decision_log_service_pb2 as log_pb
from moat.audit.v1 import decision_log_service_pb2_grpc as log_grpc
from moat.audit.v1 import decision_record_pb2
from moat.context.v1 import context_service_pb2 as context_pb
from moat.context.v1 import context_service_pb2_grpc as context_grpc
from moat.detection.v1 import detection_service_pb2 as detection_pb
from moat.detection.v1 import detection_service_pb2_grpc as detection_grpc
from moat.detection.v1 import signals_pb2
from moat.enforcement.v1 import effect_service_pb2 as effects_pb
from moat.enforcement.v1 import effect_service_pb2_grpc as effects_grpc
from moat.enforcement.v1 import enforcement_pb2
from moat.mesh.v1 import content_pb2, item_pb2
from moat.routing.v1 import routing_service_pb2 as routing_pb
from moat.routing.v1 import routing_service_pb2_grpc as routing_grpc
from moat.routing.v1 import verdict_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from services.runtime.errors import AlreadyExists, InvalidRequest, MoatError
from services.runtime.lists.serving import each_list
from services.runtime.server import Served, Server, ServerSettings
from services.runtime.timing import Stopwatch
from tests.contract.gateway.evidence_store import EvidenceStore

if TYPE_CHECKING:
    from pathlib import Path

    import grpc

Context = Any
CATEGORIES = {"rude": "harassment.insult", "spam": "integrity.spam", "threat": "violence.threat"}
HASH = "ab" * 32


class Peer:
    """A server of one fake service. `slow` delays each answer, `error` replaces it, `closed` holds it back."""

    name: str
    permissions: tuple[str, ...]

    def __init__(self) -> None:
        self.slow = 0.0
        self.error: MoatError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[int] = []
        self._server: Server | None = None
        self._settings: ServerSettings | None = None

    def served(self) -> Served:
        raise NotImplementedError

    def all_served(self) -> list[Served]:
        return [self.served()]

    async def start(self, folder: Path, address: str = "127.0.0.1:0") -> str:
        self._settings = ServerSettings(
            address=address,
            ca_file=folder / "ca.pem",
            certificate_file=folder / f"{self.name}.pem",
            key_file=folder / f"{self.name}.key",
            trust_domain="moat.local",
            callers={"gateway": frozenset(self.permissions)},
            roles={},
            drain_seconds=0,
        )
        self._server = Server(self._settings, self.all_served())
        port = await self._server.start()
        self._address = f"127.0.0.1:{port}"
        self._folder = folder
        return self._address

    async def stop(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    async def start_again(self) -> None:
        await self.start(self._folder, self._address)

    async def act(self, items: Sequence[Any]) -> None:
        self.calls.append(len(items))
        await self.gate.wait()
        if self.slow:
            await asyncio.sleep(self.slow)

    def failure(self) -> status_pb2.Status | None:
        return None if self.error is None else self.error.to_status()


class Detection(Peer, detection_grpc.DetectionServiceServicer):
    name = "detection"
    permissions = ("detection.score",)

    def __init__(self) -> None:
        super().__init__()
        self.degraded: list[str] = []
        self.fails_for = ""
        """The kind that `error` is about; empty for all."""
        self.stages: list[item_pb2.HopTiming.Stage] = []
        self.seen: list[detection_pb.ScoreItem] = []

    def served(self) -> Served:
        return Served(
            detection_pb.DESCRIPTOR.services_by_name["DetectionService"],
            partial(detection_grpc.add_DetectionServiceServicer_to_server, self),
        )

    @each_list
    async def ScoreContents(
        self, request: detection_pb.ScoreContentsRequest, context: Context
    ) -> AsyncIterator[detection_pb.ScoreContentsResponse]:
        watch = Stopwatch(len(request.items))
        self.seen += request.items
        await self.act(request.items)
        timing = watch.timing()
        timing.stages.extend(self.stages)
        results = [self._result(index, item.content) for index, item in enumerate(request.items)]
        for result in results:
            result.timing.CopyFrom(timing)
        yield detection_pb.ScoreContentsResponse(results=results)

    def _result(self, index: int, content: content_pb2.Content) -> detection_pb.ScoreResult:
        kind = content.WhichOneof("kind") or ""
        error = self.failure() if self.fails_for in ("", kind) else None
        result = detection_pb.ScoreResult(index=index, error=error, signals=self._signals(content))
        _, says, words = (content.image.data or content.audio.data).decode(errors="replace").partition("says:")
        if says:
            result.words.text = words
            result.signals.carried.signals.CopyFrom(
                self._signals(content_pb2.Content(text=content_pb2.TextContent(text=words)))
            )
            result.signals.carried.length = len(words)
            result.signals.carried.places.add(end=len(words), box=signals_pb2.Box(right=1, bottom=1))
        return result

    def _signals(self, content: content_pb2.Content) -> signals_pb2.Signals:
        signals = signals_pb2.Signals(language="en", degraded=self.degraded, normaliser_version="n1")
        text = content.text.text
        if content.HasField("image"):
            text = content.image.data.partition(b"says:")[0].decode(errors="replace")
            signals.image.pdq_hash, signals.image.pdq_quality = bytes(range(32)), 90
            signals.matches.add(bank="known", entry_id="e1", distance=4, category="violence.graphic")
        elif content.HasField("audio"):
            text = content.audio.data.partition(b"says:")[0].decode(errors="replace")
            signals.audio.duration_millis = 1000
        for word, category in CATEGORIES.items():
            start = text.find(word)
            signals.scores.add(category=category, probability=0.0 if start < 0 else 0.9)
            if start >= 0:
                signals.spans.add(start=start, end=start + len(word), category=category, source="terms")
        return signals


class ContextWindows(Peer, context_grpc.ContextServiceServicer):
    name = "context"
    permissions = ("context.read", "context.record")

    def __init__(self) -> None:
        super().__init__()
        self.read: list[context_pb.ContextItem] = []
        self.counted: list[context_pb.DecisionFact] = []
        self.events: list[context_pb.EventItem] = []
        self.uncountable = 0

    def served(self) -> Served:
        return Served(
            context_pb.DESCRIPTOR.services_by_name["ContextService"],
            partial(context_grpc.add_ContextServiceServicer_to_server, self),
        )

    @each_list
    async def ReadContexts(
        self, request: context_pb.ReadContextsRequest, context: Context
    ) -> AsyncIterator[context_pb.ReadContextsResponse]:
        watch = Stopwatch(len(request.items))
        self.read += request.items
        await self.act(request.items)
        results = [
            context_pb.ContextResult(
                index=index, error=self.failure(), features={"user.messages_1m": 1.0}, timing=watch.timing()
            )
            for index in range(len(request.items))
        ]
        yield context_pb.ReadContextsResponse(results=results)

    @each_list
    async def RecordDecisions(
        self, request: context_pb.RecordDecisionsRequest, context: Context
    ) -> AsyncIterator[context_pb.RecordDecisionsResponse]:
        failed = self.uncountable > 0
        self.uncountable -= 1
        if not failed:
            self.counted += request.items
        error = InvalidRequest("not now").to_status() if failed else None
        results = [context_pb.RecordResult(index=index, error=error) for index in range(len(request.items))]
        yield context_pb.RecordDecisionsResponse(results=results)

    @each_list
    async def RecordEvents(
        self, request: context_pb.RecordEventsRequest, context: Context
    ) -> AsyncIterator[context_pb.RecordEventsResponse]:
        self.events += request.items
        results = []
        for index, item in enumerate(request.items):
            known = item.event.type in {"join", "leave", "edit", "delete", "account"}
            error = None if known else InvalidRequest.field("event.type", "is not a known type").to_status()
            results.append(context_pb.RecordResult(index=index, error=error))
        yield context_pb.RecordEventsResponse(results=results)


class Enforcement(Peer, effects_grpc.EffectServiceServicer):
    name = "enforcement"
    permissions = ("effects.check", "effects.apply")

    def __init__(self) -> None:
        super().__init__()
        self.restrictions: dict[str, enforcement_pb2.Restriction] = {}
        self.applied: dict[str, effects_pb.EffectIntent] = {}
        self.cannot_apply = False

    def served(self) -> Served:
        return Served(
            effects_pb.DESCRIPTOR.services_by_name["EffectService"],
            partial(effects_grpc.add_EffectServiceServicer_to_server, self),
        )

    @each_list
    async def CheckSubjects(
        self, request: effects_pb.CheckSubjectsRequest, context: Context
    ) -> AsyncIterator[effects_pb.CheckSubjectsResponse]:
        watch = Stopwatch(len(request.items))
        await self.act(request.items)
        results = []
        for index, item in enumerate(request.items):
            held = self.restrictions.get(item.user_id)
            result = effects_pb.SubjectResult(index=index, error=self.failure(), timing=watch.timing())
            if held is not None:
                result.restrictions.append(held)
            results.append(result)
        yield effects_pb.CheckSubjectsResponse(results=results)

    @each_list
    async def ApplyEffects(
        self, request: effects_pb.ApplyEffectsRequest, context: Context
    ) -> AsyncIterator[effects_pb.ApplyEffectsResponse]:
        if self.cannot_apply:
            await asyncio.sleep(3)
        results = []
        for index, intent in enumerate(request.items):
            replayed = intent.context.decision_id in self.applied
            self.applied.setdefault(intent.context.decision_id, intent)
            results.append(effects_pb.EffectResult(index=index, enforcements=_enforcements(intent), replayed=replayed))
        yield effects_pb.ApplyEffectsResponse(results=results)


def _enforcements(intent: effects_pb.EffectIntent) -> list[enforcement_pb2.Enforcement]:
    made = []
    for effect in intent.effects:
        enforcement = enforcement_pb2.Enforcement(
            enforcement_id=f"{intent.context.decision_id}/{effect.kind}",
            user_id=intent.user_id,
            effect=effect,
            state=enforcement_pb2.ENFORCEMENT_STATE_APPLIED,
        )
        end = intent.decide_time.ToNanoseconds() + effect.duration.ToNanoseconds()
        enforcement.expire_time.FromNanoseconds(end)
        made.append(enforcement)
    return made


class Routing(Peer, routing_grpc.RoutingServiceServicer):
    name = "routing"
    permissions = ("routing.decide",)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[routing_pb.VerdictItem] = []
        self.evidence_parts: list[int] = []
        """What a rule wants kept of every content."""

    def served(self) -> Served:
        return Served(
            routing_pb.DESCRIPTOR.services_by_name["RoutingService"],
            partial(routing_grpc.add_RoutingServiceServicer_to_server, self),
        )

    @each_list
    async def DecideVerdicts(
        self, request: routing_pb.DecideVerdictsRequest, context: Context
    ) -> AsyncIterator[routing_pb.DecideVerdictsResponse]:
        watch = Stopwatch(len(request.items))
        self.asked += request.items
        await self.act(request.items)
        results = [
            routing_pb.VerdictResult(index=index, error=self.failure(), verdict=_verdict(item), timing=watch.timing())
            for index, item in enumerate(request.items)
        ]
        for result in results:
            result.verdict.evidence_parts.extend(self.evidence_parts)
        yield routing_pb.DecideVerdictsResponse(results=results)


def _verdict(item: routing_pb.VerdictItem) -> verdict_pb2.Verdict:
    """Of several parts the strictest is the whole's, with its rules."""
    if not item.parts:
        return _of_signals(item, item.signals)
    verdicts = [_of_signals(item, part.signals) for part in item.parts]
    strictest = max(range(len(verdicts)), key=lambda position: verdicts[position].outcome)
    verdict = verdicts[strictest]
    parts = [
        verdict_pb2.PartVerdict(outcome=one.outcome, category=one.category, severity=one.severity) for one in verdicts
    ]
    for rule in verdict.rules:
        rule.parts[:] = [strictest]
    verdict.parts.extend(parts)
    return verdict


def _of_signals(item: routing_pb.VerdictItem, signals: signals_pb2.Signals) -> verdict_pb2.Verdict:
    scores = (*signals.scores, *signals.carried.signals.scores)
    found = {score.category for score in scores if score.probability > 0.5}
    verdict = verdict_pb2.Verdict(
        outcome=verdict_pb2.OUTCOME_ALLOW,
        policy=verdict_pb2.PolicyRef(name="test", version="1", content_hash=HASH),
        degraded=[f"{part}:hold" for part in item.missing if part == "detection"],
    )
    if item.restrictions:
        verdict.outcome = verdict_pb2.OUTCOME_DROP
    elif "detection" in item.missing:
        verdict.outcome = verdict_pb2.OUTCOME_HOLD
    elif CATEGORIES["threat"] in found:
        verdict.outcome, verdict.category, verdict.severity = verdict_pb2.OUTCOME_DROP, CATEGORIES["threat"], 4
        verdict.notice = "calm down"
        verdict.effects.add(
            kind=enforcement_pb2.EFFECT_KIND_MUTE,
            duration=duration_pb2.Duration(seconds=3600),
            category=verdict.category,
        )
    elif CATEGORIES["spam"] in found:
        verdict.outcome, verdict.category, verdict.severity = verdict_pb2.OUTCOME_DROP, CATEGORIES["spam"], 1
    elif CATEGORIES["rude"] in found:
        verdict.outcome, verdict.category, verdict.severity = verdict_pb2.OUTCOME_MASK, CATEGORIES["rude"], 2
        verdict.effects.add(kind=enforcement_pb2.EFFECT_KIND_MASK, category=verdict.category)
    if verdict.category:
        verdict.rules.add(rule_id="r1", category=verdict.category, severity=verdict.severity, parts=[0])
    return verdict


class Audit(Peer, log_grpc.DecisionLogServiceServicer):
    """Append-if-absent in memory. `forgets_to_answer` appends and then hangs: the ambiguous failure."""

    name = "audit"
    permissions = ("decisions.append", "evidence.keep")

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, decision_record_pb2.DecisionRecord] = {}
        self.intents: dict[str, effects_pb.EffectIntent] = {}
        self.forgets_to_answer = False
        self.evidence = EvidenceStore(self)
        self._by_request: dict[tuple[str, str, str], tuple[bytes, str]] = {}

    def served(self) -> Served:
        return Served(
            log_pb.DESCRIPTOR.services_by_name["DecisionLogService"],
            partial(log_grpc.add_DecisionLogServiceServicer_to_server, self),
        )

    def all_served(self) -> list[Served]:
        return [self.served(), self.evidence.served()]

    def knows(self, context: item_pb2.ItemContext) -> bool:
        return (context.tenant, context.environment, context.request_id) in self._by_request

    @each_list
    async def AppendDecisions(
        self, request: log_pb.AppendDecisionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[log_pb.AppendDecisionsResponse]:
        await self.act(request.items)
        if self.error is not None:
            results = [log_pb.AppendResult(index=index, error=self.failure()) for index in range(len(request.items))]
        else:
            results = [self._append(index, item) for index, item in enumerate(request.items)]
        if self.forgets_to_answer:
            await asyncio.sleep(3)
        yield log_pb.AppendDecisionsResponse(results=results)

    def _append(self, index: int, item: log_pb.AppendItem) -> log_pb.AppendResult:
        result = log_pb.AppendResult(index=index)
        if not item.record:
            result.error.CopyFrom(InvalidRequest.field("record", "must not be empty").to_status())
            return result
        if item.context.decision_id in self.records:
            return result
        key = (item.context.tenant, item.context.environment, item.context.request_id)
        digest, decision_id = self._by_request.get(key, (item.content_digest, ""))
        if decision_id and not item.spooled:
            if digest != item.content_digest:
                error = AlreadyExists("reused", kind="request_id", name=key[2], reason="REQUEST_ID_REUSED")
                result.error.CopyFrom(error.to_status())
            else:
                result.existing = self.records[decision_id].SerializeToString()
            return result
        record = decision_record_pb2.DecisionRecord.FromString(item.record)
        record.duplicate_of = decision_id
        self.records[record.decision_id] = record
        self._by_request.setdefault(key, (item.content_digest, record.decision_id))
        if item.intent and not decision_id:
            self.intents[record.decision_id] = effects_pb.EffectIntent.FromString(item.intent)
        return result


class Collector:
    """Takes spans in, over plain gRPC as on loopback."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, trace_pb2.Span]] = []

    async def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: Context
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            service = resource.resource.attributes[0].value.string_value
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()
