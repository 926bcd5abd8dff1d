"""A calibration as it stands in its file: the limits of one tenant, environment and surface, and all that they stand on."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.routing.calibration.histogram import STEPS
from services.routing.document import CATEGORIES, Identifier

Place = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$")]
"""A tenant, an environment or a surface, as it may also stand in the name of a file."""
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NORMALISER = "normaliser"
"""Its name among the models."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limit(_Strict):
    """One limit, and what labels say of it."""

    category: str
    value: Share
    own: float
    """The policy's number, which it takes the place of."""
    target: Share
    benign: Count
    caught: Count
    bound: Share
    """Upper bound of the false-positive rate at the value."""
    positives: Count
    found: Count


class Reference(_Strict):
    """The scores that later ones are held against."""

    source: Literal["decisions", "labels"]
    """The tenant's latest decisions; labels where there were none, which reviewers may have picked."""
    count: Count
    steps: dict[str, Annotated[list[Count], Field(min_length=STEPS, max_length=STEPS)]]
    """By category: how many scores fell into each step."""
    crossed: dict[Identifier, Share]
    """By limit: the share of it that reaches the value."""


class Labels(_Strict):
    """What was counted."""

    sha256: Hash
    """Of the file."""
    rows: Count
    used: Count


class Policy(_Strict):
    """The policy that it was made for."""

    name: str
    version: str
    content_hash: Hash
    basis: Hash
    """Of the part of it that these limits stand on."""


class Calibration(_Strict):
    """The whole document."""

    tenant: Place
    environment: Place
    surface: Place
    made: datetime
    confidence: Annotated[float, Field(ge=0.5, lt=1)]
    policy: Policy
    models: dict[str, str]
    """Versions by model: what the scores were made by."""
    labels: Labels
    limits: Annotated[dict[Identifier, Limit], Field(min_length=1)]
    reference: Reference

    @model_validator(mode="after")
    def _whole(self) -> Calibration:
        unknown = {limit.category for limit in self.limits.values()} - CATEGORIES
        if unknown:
            raise ValueError(f"{sorted(unknown)} are no categories; there are {', '.join(sorted(CATEGORIES))}")
        return self

    @property
    def name(self) -> str:
        """`tenant/environment/surface`."""
        return f"{self.tenant}/{self.environment}/{self.surface}"

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical form."""
        return hashlib.sha256(orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def reference_name(self) -> str:
        """As decisions name it: `name@hash`."""
        return f"{self.name}@{self.content_hash}"
