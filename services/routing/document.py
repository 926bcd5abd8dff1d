"""A policy as its author writes it: strict, so that a slip of the pen stops the load and not the chat."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Any, Literal

import orjson
from moat.enforcement.v1 import enforcement_pb2
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.detection.taxonomy import is_category

CATEGORIES = frozenset(
    (
        "toxicity", "harassment.insult", "hate", "violence.threat", "sexual", "platform.profanity", "self_harm",
        "integrity.spam",
    )
)  # fmt: skip
"""The categories that detection has an honest model for."""
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
DetectorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=64)]


class Mode(StrEnum):
    """What to do when a part is missing."""

    ALLOW = "allow"
    BLOCK = "block"
    HOLD = "hold"
    DETERMINISTIC_ONLY = "deterministic_only"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EffectWanted(_Strict):
    """An effect that a rule asks for."""

    kind: str
    seconds: int | None = Field(default=None, ge=1, le=366 * 86400)
    """How long a mute or a ban lasts."""

    @model_validator(mode="after")
    def _fits(self) -> EffectWanted:
        if f"EFFECT_KIND_{self.kind}" not in tuple(enforcement_pb2.EffectKind.keys()) or self.kind == "UNSPECIFIED":
            raise ValueError(f"{self.kind!r} is no effect; there are MASK, HOLD, DROP, WARN, MUTE and BAN")
        if self.kind == "MUTE" and self.seconds is None:
            raise ValueError("a MUTE needs `seconds`")
        if self.seconds is not None and self.kind not in ("MUTE", "BAN"):
            raise ValueError(f"{self.kind} has no `seconds`")
        return self

    @property
    def number(self) -> int:
        """The EffectKind."""
        return enforcement_pb2.EffectKind.Value(f"EFFECT_KIND_{self.kind}")


class RuleWanted(_Strict):
    """When `when` holds, the effects are asked for."""

    id: Identifier
    description: str = Field(max_length=500)
    when: str = Field(min_length=1, max_length=1000)
    category: str
    severity: int = Field(ge=0, le=4)
    effects: list[EffectWanted] = Field(default_factory=list, max_length=6)
    queue: str = Field(default="", max_length=64)
    notice: str = Field(default="", max_length=500)
    keep_evidence: bool = False
    """Keep the bytes of the pictures and clips that it fires for, sealed and for a while."""

    @field_validator("category")
    @classmethod
    def _known(cls, category: str) -> str:
        if not is_category(category):
            raise ValueError(f"{category!r} is no category of the taxonomy, nor a tenant's own (x_tenant.name)")
        return category


class Missing(_Strict):
    """What happens when a part did not answer in time."""

    detection: Mode = Mode.HOLD
    deep_tier: Mode = Mode.DETERMINISTIC_ONLY
    image_model: Mode = Mode.HOLD
    """Hash banks still speak; `deterministic_only` leaves it to them."""
    image_text: Mode = Mode.HOLD
    """Words in a picture that were not read."""
    speech: Mode = Mode.HOLD
    """What is said in a clip and was not heard."""
    detectors: Mode = Mode.HOLD
    """A plugged-in detector whose card says that it is required."""
    context: Mode = Mode.ALLOW
    restrictions: Mode = Mode.ALLOW


class Example(_Strict):
    """A test that the policy carries with it; it is run whenever the policy is loaded."""

    name: str
    surface: str = "chat"
    scores: dict[str, float] = Field(default_factory=dict)
    terms: list[str] = Field(default_factory=list)
    kind: Literal["text", "image", "audio"] = "text"
    carrier: Literal["", "image", "audio"] = ""
    """Scores and terms are of words that were found in such a thing."""
    matches: list[str] = Field(default_factory=list)
    """Categories of entries of hash banks that match."""
    detectors: dict[str, float] = Field(default_factory=dict)
    """What a detector says: `name`, or `name.category`."""
    features: dict[str, float] = Field(default_factory=dict)
    restrictions: list[str] = Field(default_factory=list)
    missing: list[str] = Field(default_factory=list)
    expect: str
    effects: list[str] | None = None
    evidence: bool | None = None
    """Whether the file is kept."""


class PolicyDocument(_Strict):
    """The whole document."""

    name: Identifier
    version: str = Field(min_length=1, max_length=32)
    limits: dict[str, dict[Identifier, float]]
    """Named numbers for rules (`limit.insult`) by surface; `default` holds for what is not listed."""
    missing: dict[str, Missing]
    """By surface; `default` holds for the others."""
    detectors: tuple[DetectorName, ...] = Field(default=(), max_length=64)
    """The plugged-in detectors that rules may read."""
    rules: list[RuleWanted] = Field(min_length=1, max_length=200)
    tests: list[Example] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> PolicyDocument:
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) != len(ids):
            raise ValueError(f"rule ids must differ: {sorted({one for one in ids if ids.count(one) > 1})}")
        for field in ("limits", "missing"):
            if "default" not in getattr(self, field):
                raise ValueError(f"{field} needs a `default`")
        return self

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical form: what is said, not how it is laid out."""
        canonical: dict[str, Any] = self.model_dump(mode="json")
        return hashlib.sha256(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).hexdigest()
