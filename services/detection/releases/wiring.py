"""The releases of a detection service, put together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from services.detection.cascade import Deep
from services.detection.files import plan_files
from services.detection.language import Languages
from services.detection.releases.assembling import Assembling
from services.detection.releases.deciding import ReleasedScorer
from services.detection.releases.deep_versions import DeepVersions
from services.detection.releases.live import LiveReleases
from services.detection.releases.loading import Plan, load_plan
from services.detection.releases.shadowing import Shadowing
from services.detection.settings import DetectionSettings
from services.detection.terms import Terms
from services.runtime.reloading import Current, Reloading
from services.runtime.topology import Topology


@dataclass(frozen=True, slots=True)
class TextReleases:
    """What scores lines, what must run beside it, and what watches its files."""

    scorer: ReleasedScorer
    live: LiveReleases
    shadowing: Shadowing
    plan: Reloading[Plan]
    versions: DeepVersions

    async def close(self) -> None:
        """Ends connections. `run`s must have ended."""
        await self.live.close()
        await self.versions.close()


def open_releases(topology: Topology, settings: DetectionSettings, terms: Current[Terms]) -> TextReleases:
    """Within an event loop. Raises BadRelease."""
    triton = f"{topology.triton.host}:{topology.triton.grpc}"
    files = plan_files(topology, settings)
    read = partial(load_plan, files, settings.places)
    versions = DeepVersions(triton)
    assembling = Assembling(settings, terms, Languages())
    ready = _at_once if settings.deep is Deep.NEVER else versions.ensure
    live = LiveReleases(read(), partial(assembling.behind, triton), ready)
    plan = Reloading("releases", [*files, settings.releases], read, changed=live.change)
    # It may have been written between the two.
    live.change(plan.current)
    shadowing = Shadowing(most=settings.shadow_lines, busy_from=settings.shadow_busy_lines)
    return TextReleases(ReleasedScorer(live, shadowing), live, shadowing, plan, versions)


async def _at_once(version: str) -> None:
    """Where the deep tier is never asked, nobody waits for its model."""
