"""Every concrete object of the detection service."""

from __future__ import annotations

import asyncio
from functools import partial

from moat.detection.v1 import detection_service_pb2, detection_service_pb2_grpc

from services.detection.deep_models import InProcessModel
from services.detection.detectors.detecting import DetectingScorer
from services.detection.exact_cache import CachingScorer, ExactCache
from services.detection.files import folders, live_detectors, live_terms
from services.detection.images.banks.live import live_banks
from services.detection.images.cache import JudgementCache
from services.detection.images.decoder import Decoder
from services.detection.images.nsfw import NsfwModel
from services.detection.images.scorer import ImageScorer
from services.detection.images.words.kept import KeptWords
from services.detection.images.words.models import TextModels
from services.detection.images.words.tier import WordsTier
from services.detection.language import Languages
from services.detection.releases.assembling import Assembling
from services.detection.releases.loading import load_release
from services.detection.releases.wiring import open_releases
from services.detection.scorer import Scorer
from services.detection.servicer import DetectionServicer
from services.detection.settings import DetectionSettings
from services.detection.sounds.wiring import Sounds
from services.detection.terms import Terms
from services.runtime.background import end_tasks
from services.runtime.process import server_settings
from services.runtime.reloading import Fixed, watching
from services.runtime.server import Served, Server
from services.runtime.topology import Topology

_ANY_NUMBER = 1 << 20


async def serve(topology: Topology, settings: DetectionSettings) -> None:
    """Runs until SIGTERM."""
    triton = f"{topology.triton.host}:{topology.triton.grpc}"
    decoder, model = _decoder(settings), NsfwModel(triton, batch=settings.image_batch, queue=settings.image_queue)
    banks = live_banks(folders(topology, settings.banks, "banks"))
    terms = live_terms(topology, settings)
    detectors, detector_files = live_detectors(topology, settings)
    releases = open_releases(topology, settings, terms)
    cache = JudgementCache(
        pictures=settings.image_cache_pictures,
        owners=settings.image_cache_tenants,
        seconds=settings.image_cache_seconds,
    )
    lines = CachingScorer(DetectingScorer(releases.scorer, detectors), _cache(settings))
    sounds = Sounds(triton, lines, settings)
    text = _text_models(triton, settings)
    words = WordsTier(text, lines, _kept_words(settings)) if settings.image_text else None
    images = ImageScorer(decoder, model, banks, cache, words)
    servicer = DetectionServicer(lines, images, sounds.scorer, detectors)
    served = Served(
        detection_service_pb2.DESCRIPTOR.services_by_name["DetectionService"],
        partial(detection_service_pb2_grpc.add_DetectionServiceServicer_to_server, servicer),
    )
    beside = [
        asyncio.create_task(work)
        for work in (
            watching(banks, terms, detector_files, releases.plan),
            releases.live.run(),
            releases.shadowing.run(),
            detectors.ledger.keep(),
        )
    ]
    try:
        await decoder.start()
        await sounds.start()
        await Server(server_settings(topology, "detection"), [served]).run()
    finally:
        await end_tasks(beside)
        for part in (decoder, sounds, model, text, releases, detectors):
            await part.close()


def _decoder(settings: DetectionSettings) -> Decoder:
    return Decoder(
        workers=settings.image_workers,
        queue=settings.image_queue,
        cpu_seconds=settings.image_cpu_seconds,
        most_pixels=settings.image_pixels,
        most_bytes=settings.image_memory,
        words=settings.image_text,
    )


def _text_models(triton: str, settings: DetectionSettings) -> TextModels:
    return TextModels(
        triton,
        finder_queue=settings.image_queue,
        reader_queue=settings.image_text_queue,
        seconds=settings.image_text_seconds,
    )


def _kept_words(settings: DetectionSettings) -> KeptWords:
    return KeptWords(
        code_points=settings.image_text_kept,
        owners=settings.image_cache_tenants,
        seconds=settings.image_cache_seconds,
    )


def scorer_in_process(settings: DetectionSettings, *, threads: int = 1, release_name: str = "") -> Scorer:
    """The same cascade without a mesh: the deep model runs here. Of the live release, or of another. For tools; needs a running
    event loop to be used. Raises BadRelease."""
    release = load_release(settings.places, release_name) if release_name else settings.live_release()
    assembling = Assembling(settings, Fixed(Terms.load(settings.lists)), Languages())
    return assembling.around(InProcessModel(release.model, threads=threads), release, queue=_ANY_NUMBER)


def _cache(settings: DetectionSettings) -> ExactCache:
    return ExactCache(
        entries=settings.cache_entries,
        tenant_entries=settings.cache_tenant_entries,
        seconds=settings.cache_seconds,
    )
