"""Asks any HTTP endpoint that speaks the mesh's own JSON. For what a team of your own runs.

It is sent, by POST, `{"detector": NAME, "items": [ITEM, ...]}`; an item is `{"index": 0, "kind": "text", "text": "..."}`, or of a
picture or clip `{"index": 0, "kind": "image", "data": BASE64, "media_type": "image/png"}`, and has `language` and `surface`
where they are known. It answers 200 with `{"results": [RESULT, ...]}`; a result is
`{"index": 0, "scores": {"hate.slur": 0.93}, "cost_micros": 12}` (the cost may be left out), or
`{"index": 0, "error": "why not"}`. An item without a result has failed; anything else fails the whole call.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.detection.detectors.endpoints import Url, read_secret
from services.detection.detectors.http_client import HttpClient
from services.detection.detectors.port import (
    Answer,
    Card,
    Detector,
    DetectorSettings,
    Found,
    Kind,
    Opening,
    Place,
    Question,
    WrongAnswer,
)


class Settings(DetectorSettings):
    """Of `settings`."""

    url: Url
    secret_file: Path | None = None
    """Its content is sent as `Authorization: Bearer ...`."""
    ca_file: Path | None = None
    """PEM; believed instead of the system's authorities."""
    max_answer_bytes: int = Field(default=262_144, ge=64, le=8 * 1024 * 1024)

    def secrets(self) -> Sequence[Path]:
        """See `DetectorSettings`."""
        return [path for path in (self.secret_file, self.ca_file) if path is not None]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Result(_Strict):
    index: int = Field(ge=0)
    scores: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None
    cost_micros: int = Field(default=0, ge=0)
    error: str | None = None


class _Results(_Strict):
    results: list[_Result] = Field(max_length=256)


class _Asks:
    def __init__(self, opening: Opening) -> None:
        settings: Settings = opening.settings
        self._name = opening.name
        self._secret = None if settings.secret_file is None else opening.folder / settings.secret_file
        self._client = HttpClient(
            settings.url,
            most_bytes=settings.max_answer_bytes,
            connections=opening.concurrency,
            ca_file=None if settings.ca_file is None else opening.folder / settings.ca_file,
        )

    async def ask(self, questions: Sequence[Question]) -> Sequence[Answer]:
        items = [_item(index, question) for index, question in enumerate(questions)]
        secret = "" if self._secret is None else read_secret(self._secret)
        answer = await self._client.post(orjson.dumps({"detector": self._name, "items": items}), secret=secret)
        try:
            results = _Results.model_validate(orjson.loads(answer)).results
        except (ValidationError, orjson.JSONDecodeError):
            raise WrongAnswer("its answer is not what the schema says") from None
        answers: list[Answer] = [WrongAnswer("it left this item out") for _ in questions]
        for result in results:
            if result.index < len(answers):
                answers[result.index] = _answer(result)
        return answers

    async def close(self) -> None:
        await self._client.close()


def _item(index: int, question: Question) -> dict[str, Any]:
    item: dict[str, Any] = {"index": index, "kind": question.kind.value}
    if question.kind is Kind.TEXT:
        item["text"] = question.text.encode("utf-8", "replace").decode()
    else:
        item |= {"data": base64.b64encode(question.data).decode(), "media_type": question.media_type}
    return item | {key: value for key in ("language", "surface") if (value := getattr(question, key))}


def _answer(result: _Result) -> Answer:
    if result.error is not None or result.scores is None:
        return WrongAnswer("it could not say anything of this item")
    return Found(result.scores, result.cost_micros)


DETECTOR = Detector(
    Card(
        name="http_endpoint_answers",
        summary="asks an HTTP endpoint that speaks the mesh's JSON",
        version="1",
        kinds=frozenset(Kind),
        place=Place.HTTP,
        settings=Settings,
    ),
    _Asks,
)
