"""Every concrete object of the detection service."""

from __future__ import annotations

from functools import partial

from moat.detection.v1 import detection_service_pb2, detection_service_pb2_grpc

from services.detection.deep_tier import DeepTier
from services.detection.fast_tier import FastTier
from services.detection.language import Languages
from services.detection.scorer import Scorer
from services.detection.servicer import DetectionServicer
from services.detection.settings import DetectionSettings
from services.detection.terms import Terms
from services.runtime.process import server_settings
from services.runtime.server import Served, Server
from services.runtime.topology import Topology


async def serve(topology: Topology, settings: DetectionSettings) -> None:
    """Runs until SIGTERM."""
    deep = DeepTier(
        f"{topology.triton.host}:{topology.triton.grpc}",
        settings.deep_text,
        slots=settings.deep_slots,
        batch=settings.deep_batch,
        queue=settings.deep_queue,
    )
    scorer = Scorer(
        Terms.load(settings.lists), FastTier.load(settings.fast_text), deep, Languages(), when=settings.deep
    )
    served = Served(
        detection_service_pb2.DESCRIPTOR.services_by_name["DetectionService"],
        partial(detection_service_pb2_grpc.add_DetectionServiceServicer_to_server, DetectionServicer(scorer)),
    )
    try:
        await Server(server_settings(topology, "detection"), [served]).run()
    finally:
        await deep.close()
