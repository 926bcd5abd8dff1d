"""One picture through its tiers: known already, decoded, matched against the banks, looked at by the model."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, replace

from moat.detection.v1 import signals_pb2
from moat.mesh.v1 import item_pb2
from moat_client.coalescer import DeadlinePassed, NotAnswered, QueueFull

from services.detection.images.banks.banks import Asker, Banks
from services.detection.images.cache import JudgementCache, Known
from services.detection.images.decode import Decoded
from services.detection.images.decoder import Decoder
from services.detection.images.nsfw import CATEGORY, MODEL, MODEL_VERSION, Look, NsfwModel, Opinion
from services.detection.images.pdq import GOOD_QUALITY
from services.detection.images.words.tier import Read, WordsTier
from services.detection.scorer import Line
from services.detection.stages import stage
from services.detection.workers import Encoded, Unpacked
from services.runtime.errors import MoatError, OutOfTime, OverQuota
from services.runtime.logs import log
from services.runtime.reloading import Current

PART = "image_model"
"""What is missing, in signals and policies, when the model did not answer."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture on its way through the tiers."""

    data: bytes
    tenant: str
    environment: str
    item_id: str
    traceparent: str = ""
    deadline: float | None = None
    """On `time.monotonic`'s clock."""
    surface: str = ""

    @property
    def line(self) -> Line:
        """What a line of the same author at the same place would be, without words."""
        return Line(
            "",
            traceparent=self.traceparent,
            tenant=self.tenant,
            deadline=self.deadline,
            environment=self.environment,
            surface=self.surface,
            item=self.item_id,
        )


@dataclass(slots=True)
class Seen:
    """What was found, and how long the parts took."""

    signals: signals_pb2.Signals
    stages: list[item_pb2.HopTiming.Stage]
    words: signals_pb2.FoundWords | None = None
    """Words that were read in it. Content, unlike the signals."""


class ImageScorer:
    """Everything about pictures."""

    def __init__(
        self,
        decoder: Decoder,
        model: NsfwModel,
        banks: Current[Banks],
        cache: JudgementCache,
        words: WordsTier | None = None,
    ) -> None:
        """See `wiring`. Without `words` none are read."""
        self._decoder = decoder
        self._model = model
        self._banks = banks
        self._cache = cache
        self._words = words

    async def score(self, picture: Picture) -> Seen:
        """Raises InvalidRequest for what is no picture, OverQuota or OutOfTime when it had no turn with the decoder."""
        began = time.perf_counter()
        seen = Seen(signals_pb2.Signals(), [])
        owner = (picture.tenant, picture.environment)
        # Four megabytes take milliseconds, in which the event loop has better to do.
        sha256 = await asyncio.to_thread(lambda: hashlib.sha256(picture.data).digest())
        known = self._cache.exact(owner, sha256, time.monotonic())
        read = self._words.kept(owner, sha256) if self._words is not None else None
        how = "exact"
        if known is None or (self._words is not None and read is None):
            unpacked = await self._unpacked(picture)
            seen.stages.append(stage("decode", began, unpacked.asked, unpacked.seconds))
            reading = asyncio.create_task(self._read(picture, sha256, unpacked.decoded, read))
            try:
                if known is None:
                    known, how = await self._judged(picture, unpacked, seen, began)
                read = await reading
            finally:
                reading.cancel()
            if known.probability is not None and how != "exact":
                self._cache.keep(owner, sha256, known)
        self._tell(seen.signals, known, how, picture)
        if self._words is not None and read is not None:
            seen.stages.extend(stage(name, began, asked, seconds) for name, asked, seconds in read.calls)
            seen.words = await self._words.tell(seen.signals, read, picture.line)
        return seen

    async def _read(self, picture: Picture, sha256: bytes, decoded: Decoded, read: Read | None) -> Read | None:
        """What the picture says; looked at anew even where it only looks like one that was."""
        if self._words is None or read is not None:
            return read
        return await self._words.read((picture.tenant, picture.environment), sha256, decoded, picture.line)

    async def _unpacked(self, picture: Picture) -> Unpacked[Decoded]:
        try:
            return await self._decoder.ask(Encoded(picture.data, picture.tenant), deadline=picture.deadline)
        except QueueFull:
            raise OverQuota("too many pictures wait to be decoded", metadata={"subject": "decoder"}) from None
        except (DeadlinePassed, NotAnswered):
            raise OutOfTime("the picture had no turn in time") from None

    async def _judged(
        self, picture: Picture, unpacked: Unpacked[Decoded], seen: Seen, began: float
    ) -> tuple[Known, str]:
        """What is known of the picture now, and how: `near` an earlier one, `always` by the model, or why not."""
        decoded = unpacked.decoded
        now = time.monotonic()
        known = Known(
            decoded.pdq,
            decoded.width,
            decoded.height,
            decoded.format,
            probability=None,
            until=self._cache.until(now),
            looked_at=decoded.pdq.hash,
        )
        like = self._cache.near((picture.tenant, picture.environment), decoded.pdq, now)
        if like is not None:
            return replace(known, probability=like.probability, until=like.until, looked_at=like.looked_at), "near"
        opinion = await self._opinion(picture, decoded.pixels)
        if not isinstance(opinion, Opinion):
            return known, opinion
        asked = stage("triton", began, opinion.asked, opinion.seconds, opinion.batch_size)
        asked.batch_trace_id, asked.batch_span_id = opinion.trace_id, opinion.span_id
        seen.stages.append(asked)
        return replace(known, probability=opinion.probability), "always"

    async def _opinion(self, picture: Picture, pixels: bytes) -> Opinion | str:
        """The model's, or why there is none."""
        try:
            look = Look(pixels, picture.traceparent, picture.tenant)
            return await self._model.ask(look, deadline=picture.deadline)
        except (MoatError, DeadlinePassed, NotAnswered, QueueFull) as error:
            missed = "out_of_time" if isinstance(error, DeadlinePassed) else "unavailable"
            log.info("image_model_missed", reason=missed, error=type(error).__name__)
            return missed

    def _tell(self, signals: signals_pb2.Signals, known: Known, how: str, picture: Picture) -> None:
        banks = self._banks.current
        asker = Asker(picture.tenant, picture.environment, picture.item_id)
        signals.language = "und"
        signals.image.pdq_hash, signals.image.pdq_quality = known.pdq
        signals.image.width, signals.image.height, signals.image.format = known.width, known.height, known.format
        signals.matches.extend(banks.matches(known.pdq, asker, now=time.time()))
        signals.banks_version = banks.version
        if how in ("exact", "near"):
            signals.tiers.add(name="cache", version=MODEL_VERSION, reason=how)
        good = known.pdq.quality >= GOOD_QUALITY
        signals.tiers.add(name="hash_banks", version=banks.version, reason="always" if good else "low_quality")
        signals.tiers.add(name=MODEL, version=MODEL_VERSION, reason="decided" if how in ("exact", "near") else how)
        if known.probability is not None:
            signals.scores.add(category=CATEGORY, probability=known.probability)
        else:
            signals.degraded.append(PART)
