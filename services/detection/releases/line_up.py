"""The releases that run at one moment, and whose each line is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.detection.releases.choosing import Lots
from services.detection.releases.document import Canary, Shadow
from services.detection.releases.loading import Plan
from services.detection.releases.running import Running
from services.detection.scorer import Line

LIVE, CANARY = "live", "canary"


@dataclass(frozen=True, slots=True)
class Tried:
    """A release that gets a share of the items."""

    running: Running
    lots: Lots
    tenants: frozenset[str]

    def gets(self, line: Line) -> bool:
        """Whether this line is among them."""
        if self.tenants and line.tenant not in self.tenants:
            return False
        # Without an id of its own a text is at least the same text the next time.
        return self.lots.fall_on(line.tenant, line.environment, line.item or line.text)


@dataclass(frozen=True, slots=True)
class Arm:
    """A release that decides about some lines of a list."""

    name: str
    running: Running
    indexes: Sequence[int]


@dataclass(frozen=True, slots=True)
class LineUp:
    """Never changes in itself."""

    plan: Plan
    running: Mapping[str, Running]
    live: Running = field(init=False)
    canary: Tried | None = field(init=False)
    shadow: Tried | None = field(init=False)

    def __post_init__(self) -> None:
        """Finds each role's release."""
        document = self.plan.document
        object.__setattr__(self, "live", self.running[document.live])
        object.__setattr__(self, "canary", self._tried(document.canary))
        object.__setattr__(self, "shadow", self._tried(document.shadow))

    def of(self, line: Line) -> Running:
        """The release that decides about this line."""
        canary = self.canary
        return canary.running if canary is not None and canary.gets(line) else self.live

    def arms(self, lines: Sequence[Line]) -> list[Arm]:
        """Each release that decides about some of the lines."""
        if self.canary is None:
            return [Arm(LIVE, self.live, range(len(lines)))]
        chosen = [self.canary.gets(line) for line in lines]
        arms = (
            Arm(LIVE, self.live, [index for index, gets in enumerate(chosen) if not gets]),
            Arm(CANARY, self.canary.running, [index for index, gets in enumerate(chosen) if gets]),
        )
        return [arm for arm in arms if arm.indexes]

    @property
    def deciding(self) -> list[Running]:
        """Those whose answers leave."""
        return [self.live] if self.canary is None else [self.live, self.canary.running]

    @property
    def roles(self) -> dict[str, str]:
        """What each is for, by role."""
        document = self.plan.document
        tried = (("canary", document.canary), ("shadow", document.shadow))
        return {"live": document.live} | {role: one.release for role, one in tried if one is not None}

    def _tried(self, document: Canary | Shadow | None) -> Tried | None:
        if document is None:
            return None
        tenants = document.tenants if isinstance(document, Canary) else frozenset()
        return Tried(self.running[document.release], Lots(document.seed, document.percent), tenants)
