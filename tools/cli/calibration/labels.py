"""Reviewers' labels as they stand in a file of JSON lines. Strict: a label that is read wrongly moves a limit.

{"decision_id": "0197…", "label": {"harassment.insult": 0, "hate": 0}}             a recorded decision
{"decision_id": "0197…", "part": 1, "label": {"harassment.insult": 1}}             one text of several things
{"id": "a1", "text": "good game", "surface": "chat", "label": {"toxicity": 0}}     scored here
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from services.routing.calibration.document import Place
from services.routing.document import CATEGORIES
from tools.cli.failure import Failure

Key = tuple[str, int]
"""A decision's id and the part, or an id with part -1."""


def _judgement(value: object) -> object:
    if type(value) is not int or value not in (0, 1):
        raise ValueError("must be 0 or 1")
    return value


Judgement = Annotated[Literal[0, 1], BeforeValidator(_judgement)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    label: dict[str, Judgement] = Field(min_length=1)
    tenant: str = ""

    @field_validator("label")
    @classmethod
    def _known(cls, label: dict[str, int]) -> dict[str, int]:
        for category in label:
            if category not in CATEGORIES:
                raise ValueError(f"{category!r} has no score; there are {', '.join(sorted(CATEGORIES))}")
        return label


class DecisionLabel(_Strict):
    """Of a recorded decision."""

    decision_id: str
    part: Annotated[int, Field(ge=0, le=7)] | None = None
    content: str = ""
    """For the reviewer's eyes; not read."""

    @field_validator("decision_id")
    @classmethod
    def _is_an_id(cls, text: str) -> str:
        try:
            return str(uuid.UUID(text))
        except ValueError:
            raise ValueError(f"{text!r} is no decision's id") from None

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.decision_id, self.part or 0


class TextLabel(_Strict):
    """Of a text that is scored here."""

    id: str | int
    text: str = Field(min_length=1, max_length=10_000)
    surface: Place

    @property
    def key(self) -> Key:
        """What it is about."""
        return f"{type(self.id).__name__}:{self.id}", -1


AnyLabel = DecisionLabel | TextLabel


@dataclass(frozen=True, slots=True)
class LabelFile:
    """What was read."""

    labels: list[AnyLabel]
    """One a decision's text or id; what several lines say of the same is put together."""
    lines: list[int]
    """Of each the line that spoke of it first."""
    repeated: int
    """Lines that spoke again of what an earlier one had spoken of, and agreed."""
    sha256: str


def read_labels(path: Path, *, tenant: str) -> LabelFile:
    """Raises Failure, which names the line; OSError."""
    content = path.read_bytes()
    first: dict[Key, tuple[int, AnyLabel]] = {}
    repeated = 0
    for number, one in _parsed(content, path):
        if one.tenant and one.tenant != tenant:
            raise Failure(f"{path} line {number}: is of tenant {one.tenant!r} and not of {tenant!r}")
        there = first.get(one.key)
        if there is None:
            first[one.key] = (number, one)
        else:
            first[one.key] = (there[0], _together(there, (number, one), path))
            repeated += 1
    if not first:
        raise Failure(f"{path} has no labels")
    lines, labels = zip(*first.values(), strict=True)
    return LabelFile(list(labels), list(lines), repeated, hashlib.sha256(content).hexdigest())


def _parsed(content: bytes, path: Path) -> Iterator[tuple[int, AnyLabel]]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
        except ValueError as error:
            raise Failure(f"{path} line {number} is not JSON: {error}") from None
        yield number, _one(document, f"{path} line {number}")


def _one(document: Any, where: str) -> AnyLabel:  # noqa: ANN401 - whatever stands in the file
    if not isinstance(document, dict) or ("decision_id" in document) == ("text" in document):
        raise Failure(f"{where}: must be an object with either decision_id, or id, text and surface; and label")
    model = DecisionLabel if "decision_id" in document else TextLabel
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "line"
        raise Failure(f"{where}: {field}: {problem['msg'].removeprefix('Value error, ')}") from None


def _together(there: tuple[int, AnyLabel], again: tuple[int, AnyLabel], path: Path) -> AnyLabel:
    (line, one), (number, other) = there, again
    for category, label in other.label.items():
        if one.label.get(category, label) != label:
            raise Failure(f"{path} line {number}: says {label} of {category}, line {line} said {one.label[category]}")
    if (
        isinstance(one, TextLabel)
        and isinstance(other, TextLabel)
        and (one.text, one.surface) != (other.text, other.surface)
    ):
        raise Failure(f"{path} line {number}: id {other.id!r} is another text's in line {line}")
    return one.model_copy(update={"label": {**one.label, **other.label}})
