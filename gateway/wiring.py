"""Builds the gateway: every object, once, and who holds whom."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from moat.audit.v1 import (
    decision_log_service_pb2,
    decision_log_service_pb2_grpc,
    evidence_store_service_pb2,
    evidence_store_service_pb2_grpc,
)
from moat.context.v1 import context_service_pb2, context_service_pb2_grpc
from moat.detection.v1 import detection_service_pb2, detection_service_pb2_grpc
from moat.enforcement.v1 import effect_service_pb2, effect_service_pb2_grpc
from moat.moderation.v1 import moderation_service_pb2, moderation_service_pb2_grpc
from moat.routing.v1 import routing_service_pb2, routing_service_pb2_grpc

from gateway.admission import Admission
from gateway.advisers import Advisers
from gateway.afterwards import Afterwards
from gateway.commit import Recorder
from gateway.deadlines import Deadlines
from gateway.desk import Desk
from gateway.digest import Digests
from gateway.effects import Effects
from gateway.events import Events
from gateway.evidence import Evidence
from gateway.file_room import FileRoom
from gateway.hops import EVIDENCE, IMAGES, SOUNDS, Hop
from gateway.intake import Intake
from gateway.metrics import IN_FLIGHT, WAITING
from gateway.observer import Observer
from gateway.path import Path
from gateway.replay import Replay
from gateway.sealing import Sealer
from gateway.servicer import ModerationServicer
from gateway.settings import HopBudget
from gateway.spool import Spool
from gateway.streams import Streams
from gateway.tenants import Tenants
from gateway.trace_export import TraceExport
from gateway.traces import Budget, KeepRule
from gateway.voices.voices import Voices
from services.runtime.background import end_tasks
from services.runtime.lists.asking import ListCaller
from services.runtime.process import channel_to, server_settings
from services.runtime.server import Served, Server

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.settings import GatewaySettings
    from services.runtime.topology import Topology

NAME = "gateway"
_UNCOALESCED_SLOTS = 4096


class Gateway:
    """The whole process but its life: `serve` runs it."""

    def __init__(self, topology: Topology, settings: GatewaySettings) -> None:
        """Opens no connection and no file yet. Must be made inside the event loop."""
        key = topology.content_key_file.read_bytes()
        peers = ("detection", "context", "routing", "enforcement", "audit")
        self._channels = {peer: channel_to(topology, peer, me=NAME) for peer in peers}
        self._collector = grpc.aio.insecure_channel(f"{topology.collector.host}:{topology.collector.otlp_grpc}")
        detection = detection_service_pb2_grpc.DetectionServiceStub(self._channels["detection"])
        context = context_service_pb2_grpc.ContextServiceStub(self._channels["context"])
        routing = routing_service_pb2_grpc.RoutingServiceStub(self._channels["routing"])
        effects = effect_service_pb2_grpc.EffectServiceStub(self._channels["enforcement"])
        audit = decision_log_service_pb2_grpc.DecisionLogServiceStub(self._channels["audit"])

        store = evidence_store_service_pb2_grpc.EvidenceStoreServiceStub(self._channels["audit"])

        deadlines, digests = Deadlines(), Digests(key)
        sealer = Sealer(key, cached_keys=settings.data_keys_cached)
        hop = partial(_hop, settings, deadlines)
        background = HopBudget(share=1, seconds=settings.background_seconds)
        self.spool = Spool(
            topology.process(NAME).state_dir / "spool.sqlite",
            max_records=settings.spool_max_records,
            max_bytes=settings.spool_max_bytes,
        )
        recorder = Recorder(
            hop("audit", audit.AppendDecisions, decision_log_service_pb2.AppendDecisionsRequest, settings.append),
            self.spool,
        )
        self.replay = Replay(
            self.spool,
            ListCaller(audit.AppendDecisions, peer="audit"),
            pause_seconds=settings.spool_replay_seconds,
            on_reached=recorder.log_is_back,
        )
        self.afterwards = Afterwards(
            hop("counting", context.RecordDecisions, context_service_pb2.RecordDecisionsRequest, background),
            seconds=settings.background_seconds,
        )
        advisers = Advisers(
            hop("detection", detection.ScoreContents, detection_service_pb2.ScoreContentsRequest, settings.detection),
            hop(
                IMAGES,
                detection.ScoreContents,
                detection_service_pb2.ScoreContentsRequest,
                settings.images,
                slots=settings.images_slots,
                max_batch=settings.images_max_batch,
            ),
            hop(
                SOUNDS,
                detection.ScoreContents,
                detection_service_pb2.ScoreContentsRequest,
                settings.sounds,
                slots=settings.sounds_slots,
                max_batch=settings.sounds_max_batch,
            ),
            hop("context", context.ReadContexts, context_service_pb2.ReadContextsRequest, settings.context),
            hop("restrictions", effects.CheckSubjects, effect_service_pb2.CheckSubjectsRequest, settings.restrictions),
        )
        path = Path(
            advisers,
            hop("routing", routing.DecideVerdicts, routing_service_pb2.DecideVerdictsRequest, settings.routing),
            recorder,
            Effects(hop("effects", effects.ApplyEffects, effect_service_pb2.ApplyEffectsRequest, settings.effects)),
            self.afterwards,
            digests,
            sealer,
            Evidence(
                hop(
                    EVIDENCE,
                    store.KeepEvidence,
                    evidence_store_service_pb2.KeepEvidenceRequest,
                    settings.evidence,
                    slots=settings.evidence_slots,
                    max_batch=settings.evidence_max_batch,
                ),
                sealer,
                FileRoom(settings.evidence_max_bytes),
            ),
        )
        self.traces = TraceExport(self._collector, max_waiting=settings.trace_queue)
        traces = topology.traces
        budget = Budget(settings.trace_notable_per_second)
        keep = KeepRule(traces.keep_share, traces.keep_notable, settings.trace_slow_ms / 1000, budget)
        admission = Admission(settings.in_flight_limit, settings.max_wait_seconds)
        IN_FLIGHT.set_function(lambda: admission.in_flight)
        WAITING.set_function(lambda: admission.waiting)
        self.desk = Desk(admission, path.decide, digests, deadlines, observe=Observer(keep, self.traces))
        self.streams = Streams()
        intake = Intake(
            Tenants.load(topology.tenants_file),
            admission,
            FileRoom(settings.files_max_bytes),
            self.desk,
            default_seconds=settings.default_timeout_seconds,
            max_seconds=settings.max_timeout_seconds,
        )
        self.voices = Voices(intake, settings)
        servicer = ModerationServicer(
            intake,
            Events(hop("events", context.RecordEvents, context_service_pb2.RecordEventsRequest, background)),
            self.streams,
            self.voices,
            stream_unanswered_limit=settings.stream_unanswered_limit,
        )
        self.server = Server(
            server_settings(topology, NAME),
            [
                Served(
                    moderation_service_pb2.DESCRIPTOR.services_by_name["ModerationService"],
                    partial(moderation_service_pb2_grpc.add_ModerationServiceServicer_to_server, servicer),
                )
            ],
        )

    async def start(self) -> list[asyncio.Task[None]]:
        """Opens the spool and starts what runs beside the server."""
        await self.spool.open()
        works = (self.replay.run(), self.traces.run(), self.streams.end_on(self.server.draining))
        return [asyncio.create_task(work) for work in works]

    async def stop(self, works: list[asyncio.Task[None]]) -> None:
        """After the server has drained: finishes what was taken in, then closes everything."""
        await self.desk.drain()
        await self.afterwards.drain()
        await end_tasks(works)
        self.voices.close()
        await self.traces.flush()
        await self.spool.close()
        for channel in (*self._channels.values(), self._collector):
            await channel.close(None)


def _hop(
    settings: GatewaySettings,
    deadlines: Deadlines,
    name: str,
    call: Any,  # noqa: ANN401 - see ListCaller
    request: type[Message],
    budget: HopBudget,
    *,
    slots: int | None = None,
    max_batch: int | None = None,
) -> Hop[Any, Any]:
    return Hop(
        name,
        ListCaller(call, peer=name, apart=not settings.coalesce),
        request,
        budget,
        deadlines,
        slots=(slots or settings.hop_slots) if settings.coalesce else _UNCOALESCED_SLOTS,
        max_batch=(max_batch or settings.hop_max_batch) if settings.coalesce else 1,
    )


async def serve(topology: Topology, settings: GatewaySettings) -> None:
    """Runs until SIGTERM."""
    gateway = Gateway(topology, settings)
    works = await gateway.start()
    try:
        await gateway.server.run()
    finally:
        await gateway.stop(works)


def check(topology: Topology, _settings: GatewaySettings) -> None:
    """What `--check-config` reads beside the settings. Raises ValueError or OSError."""
    Tenants.load(topology.tenants_file)
    if len(topology.content_key_file.read_bytes()) != 32:  # noqa: PLR2004 - AES-256
        message = f"{topology.content_key_file}: must hold 32 bytes"
        raise ValueError(message)
