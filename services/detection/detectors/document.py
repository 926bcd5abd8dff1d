"""A detector's file under `config/detectors`: whether it is on, for whom, and what it may cost. Strict."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.detection.detectors.port import Kind
from services.detection.taxonomy import is_category

DetectorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=64)]
MOST_MICROS = 10**15


def _category(name: str) -> str:
    if not is_category(name):
        raise ValueError(
            f"{name!r} is no category of the taxonomy (services/detection/taxonomy.py), nor a tenant's own (x_tenant.name)"
        )
    return name


Category = Annotated[str, AfterValidator(_category)]


class Ask(StrEnum):
    """When a detector is asked."""

    ALWAYS = "always"
    UNCERTAIN = "uncertain"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Between(_Strict):
    """Scores that leave a verdict open."""

    least: float = Field(alias="from", ge=0, le=1)
    most: float = Field(alias="to", ge=0, le=1)

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.least >= self.most:
            raise ValueError(f"`from` ({self.least}) must be below `to` ({self.most})")
        return self


class Breaker(_Strict):
    """When a detector that does not work is left alone."""

    failures: int = Field(default=5, ge=1, le=1000)
    """So many calls of the last `calls` have failed: it is not asked any more …"""
    calls: int = Field(default=10, ge=1, le=1000)
    seconds: float = Field(default=30.0, gt=0, le=3600)
    """… for so long. Then one call tries whether it works again."""

    @model_validator(mode="after")
    def _can_open(self) -> Self:
        if self.failures > self.calls:
            raise ValueError(f"`failures` ({self.failures}) of the last `calls` ({self.calls}) can never be reached")
        return self


class Budget(_Strict):
    """What may be spent in a day (UTC), in millionths of whatever unit the costs are in. Each replica counts for itself."""

    micros_a_day: int | None = Field(default=None, ge=0, le=MOST_MICROS)
    """For each tenant; without it there is no bound."""
    tenants: dict[str, int] = Field(default_factory=dict)
    """For these tenants instead."""
    cost_micros: int = Field(default=0, ge=0, le=MOST_MICROS)
    """What one question costs, where its answer does not say so. It is set aside before the question is asked."""

    @model_validator(mode="after")
    def _counts(self) -> Self:
        bounds = [*self.tenants.values(), *([] if self.micros_a_day is None else [self.micros_a_day])]
        if bounds and not self.cost_micros:
            raise ValueError("a bound needs `cost_micros`: without it nothing is set aside before it is spent")
        if any(bound < 0 for bound in self.tenants.values()):
            raise ValueError("`tenants`: a bound is 0 or more")
        return self


class DetectorDocument(_Strict):
    """One file."""

    name: DetectorName
    """What findings and rules call it."""
    uses: str = Field(min_length=1, max_length=64)
    """A detector of the registry (`moat detectors --all`)."""
    enabled: bool = False
    tenants: frozenset[str] = frozenset()
    """Whose contents it looks at; empty for everybody's."""
    environments: frozenset[str] = frozenset()
    surfaces: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    """Of those that it can look at; empty for all of them."""
    categories: tuple[Category, ...] = Field(default=(), max_length=64)
    """What it may score; empty for all that its card names."""
    ask: Ask = Ask.ALWAYS
    between: dict[Category, Between] = Field(default_factory=dict)
    """For `ask: uncertain`: it is asked when the score of one of these lies between its bounds."""
    deadline_ms: int = Field(default=200, ge=1, le=30_000)
    """How long an item waits for it, and a call may take. An item never waits beyond its own deadline."""
    max_list: int = Field(default=1, ge=1, le=256)
    """Questions a call, all of one tenant."""
    concurrency: int = Field(default=4, ge=1, le=256)
    """Calls at a time."""
    queue: int = Field(default=64, ge=1, le=65_536)
    """A tenant's questions that may wait for a call; more are not asked."""
    max_characters: int = Field(default=10_000, ge=1, le=10_000)
    """Of a longer text it sees the beginning."""
    required: bool = False
    """Whether a content without its answer is decided as degraded (the policy's `missing.detectors`)."""
    breaker: Breaker = Breaker()
    budget: Budget = Budget()
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the detector itself wants to know; see its module."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.ask is Ask.UNCERTAIN) != bool(self.between):
            raise ValueError("`ask: uncertain` and `between` belong together")
        if len(set(self.categories)) != len(self.categories):
            raise ValueError("`categories` has one twice")
        return self
