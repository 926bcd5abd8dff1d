"""Every concrete object of the detection service."""

from __future__ import annotations

from functools import partial

from moat.detection.v1 import detection_service_pb2, detection_service_pb2_grpc

from services.detection.cascade import Cascade
from services.detection.deep_models import DeepModel, InProcessModel, TritonModel
from services.detection.deep_tier import DeepTier
from services.detection.exact_cache import CachingScorer, ExactCache
from services.detection.fast_tier import FastTier
from services.detection.language import Languages
from services.detection.scorer import Scorer
from services.detection.servicer import DetectionServicer
from services.detection.settings import DetectionSettings
from services.detection.terms import Terms
from services.detection.windows import Windows
from services.runtime.process import server_settings
from services.runtime.server import Served, Server
from services.runtime.topology import Topology

_ANY_NUMBER = 1 << 20


async def serve(topology: Topology, settings: DetectionSettings) -> None:
    """Runs until SIGTERM."""
    deep = _deep(TritonModel(f"{topology.triton.host}:{topology.triton.grpc}"), settings)
    served = Served(
        detection_service_pb2.DESCRIPTOR.services_by_name["DetectionService"],
        partial(
            detection_service_pb2_grpc.add_DetectionServiceServicer_to_server,
            DetectionServicer(CachingScorer(_scorer(deep, settings), _cache(settings))),
        ),
    )
    try:
        await Server(server_settings(topology, "detection"), [served]).run()
    finally:
        await deep.close()


def scorer_in_process(settings: DetectionSettings, *, threads: int = 1) -> Scorer:
    """The same cascade without a mesh: the deep model runs here. For tools; needs a running event loop to be used."""
    model = InProcessModel(settings.deep_text, threads=threads)
    return _scorer(_deep(model, settings, queue=_ANY_NUMBER), settings)


def _deep(model: DeepModel, settings: DetectionSettings, *, queue: int = 0) -> DeepTier:
    return DeepTier(
        model,
        Windows(settings.deep_text),
        slots=settings.deep_slots,
        batch=settings.deep_batch,
        queue=queue or settings.deep_queue,
    )


def _cache(settings: DetectionSettings) -> ExactCache:
    return ExactCache(
        entries=settings.cache_entries,
        tenant_entries=settings.cache_tenant_entries,
        seconds=settings.cache_seconds,
    )


def _scorer(deep: DeepTier, settings: DetectionSettings) -> Scorer:
    return Scorer(
        Terms.load(settings.lists),
        FastTier.load(settings.fast_text),
        deep,
        Cascade.load(settings.fast_text),
        Languages(),
        when=settings.deep,
    )
