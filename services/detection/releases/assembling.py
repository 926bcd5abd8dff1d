"""Makes a release's cascade of its tiers, with the deep model wherever that runs."""

from __future__ import annotations

from dataclasses import dataclass

from services.detection.deep_models import DeepModel, TritonModel
from services.detection.deep_tier import DeepTier
from services.detection.language import Languages
from services.detection.releases.loading import Release
from services.detection.releases.running import Running, Tiers
from services.detection.scorer import Scorer
from services.detection.settings import DetectionSettings
from services.detection.terms import Terms
from services.runtime.reloading import Current


@dataclass(frozen=True, slots=True)
class Assembling:
    """What all releases have in common."""

    settings: DetectionSettings
    terms: Current[Terms]
    languages: Languages

    def behind(self, triton: str, release: Release, tiers: Tiers) -> Running:
        """With the deep model on the Triton whose gRPC is at `triton`. Within an event loop."""
        deep = self._deep(TritonModel(triton, release.deep_version), tiers, self.settings.deep_queue)
        return Running(release, self._scorer(release, tiers, deep), deep.close)

    def around(self, model: DeepModel, release: Release, *, queue: int) -> Scorer:
        """With a deep model that is at hand."""
        tiers = Tiers.load(release)
        return self._scorer(release, tiers, self._deep(model, tiers, queue))

    def _scorer(self, release: Release, tiers: Tiers, deep: DeepTier) -> Scorer:
        return Scorer(
            self.terms, tiers.fast, deep, tiers.cascade, self.languages, release=release, when=self.settings.deep
        )

    def _deep(self, model: DeepModel, tiers: Tiers, queue: int) -> DeepTier:
        slots, batch = self.settings.deep_slots, self.settings.deep_batch
        return DeepTier(model, tiers.windows, slots=slots, batch=batch, queue=queue)
