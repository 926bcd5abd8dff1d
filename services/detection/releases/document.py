"""What stands in a release's file and in the plan that says which releases run. Strict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.detection.categories import CATEGORIES


def _category(name: str) -> str:
    if name not in CATEGORIES:
        raise ValueError(f"{name!r} is no category of the text models; they score {', '.join(CATEGORIES)}")
    return name


def _limits(found: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 < limit < 1 for limit in found):
        raise ValueError("each limit lies between 0 and 1")
    return tuple(sorted(set(found)))


ReleaseName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Version = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]
"""The name of a folder, as Triton wants it."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a file."""
Category = Annotated[str, AfterValidator(_category)]
Limits = Annotated[tuple[float, ...], Field(min_length=1, max_length=8), AfterValidator(_limits)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deep(_Strict):
    """The deep tier's model."""

    version: Version
    """Its folder in the model's folder, and its version at Triton."""
    model: Digest


class Tokenizer(_Strict):
    """What cuts texts for it."""

    file: str = Field(default="tokenizer.json", pattern=r"^([a-z0-9_]+/)?[a-z0-9_]+\.json$")
    """In the model's folder: beside the versions if several share it, or `3/tokenizer.json`."""
    digest: Digest


class Fast(_Strict):
    """The fast tier, and the numbers by which the tiers speak together."""

    version: Version
    """Its folder among the weights."""
    weights: Digest
    cascade: Digest


class ReleaseDocument(_Strict):
    """`inference/releases/<name>.yaml`: all that was trained and measured together. `moat releases make` writes it."""

    name: ReleaseName
    deep: Deep
    tokenizer: Tokenizer
    fast: Fast
    card: Path
    """From the folder of releases: what the evaluation says of it."""


class Shadow(_Strict):
    """A release that scores beside the live one and decides nothing."""

    release: ReleaseName
    percent: float = Field(default=100.0, gt=0, le=100)
    """Of items, chosen by `seed`."""
    seed: str = Field(default="", max_length=64)


class Canary(_Strict):
    """A release that decides some of the items."""

    release: ReleaseName
    percent: float = Field(ge=0, le=100)
    """Of items, chosen by `seed`. More percent keep those that were chosen."""
    seed: str = Field(default="", max_length=64)
    tenants: frozenset[str] = frozenset()
    """Whose items; empty for everybody's."""


class PlanDocument(_Strict):
    """Which releases run: `config/releases.yaml`, or the file that `moat releases` writes."""

    live: ReleaseName
    canary: Canary | None = None
    shadow: Shadow | None = None
    limits: dict[Category, Limits] = Field(default_factory=dict)
    """At which scores a shadow's disagreements are counted: those at which policies act."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        for role, tried in (("canary", self.canary), ("shadow", self.shadow)):
            if tried is not None and tried.release == self.live:
                raise ValueError(f"{role}: release: {tried.release} is live; try another one, or leave `{role}` out")
        return self

    @property
    def releases(self) -> tuple[str, ...]:
        """The names of all that run, the live one first, none twice."""
        tried = [one.release for one in (self.canary, self.shadow) if one is not None]
        return tuple(dict.fromkeys((self.live, *tried)))
