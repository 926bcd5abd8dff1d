"""Asks a model in the mesh's own Triton: its inputs made as `input` says, a column of its output for each category.

A model of your own goes into the model repository (`inference/model_repository`) with its `config.pbtxt`; the launcher loads all
that is there. `input.as: raw` hands it the text or the bytes, for models that do their own preparing (Triton's Python backend);
`input.as: tokens` makes `input_ids` and `attention_mask` by a `tokenizer.json`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from pydantic import Field, model_validator
from tritonclient.utils import InferenceServerException

from services.detection.detectors.port import (
    Answer,
    Card,
    Detector,
    DetectorSettings,
    Found,
    Kind,
    NotThere,
    Opening,
    Place,
    Question,
    WrongAnswer,
)
from services.detection.detectors.triton_inputs import raw, tokens
from services.runtime.clients import CHANNEL_OPTIONS


class Settings(DetectorSettings):
    """Of `settings`."""

    model: str = Field(min_length=1, max_length=128)
    model_version: str = ""
    """Empty for the one that Triton thinks best."""
    input_as: Literal["raw", "tokens"] = "raw"
    input_name: str = "content"
    """Of the tensor, for `raw`."""
    tokenizer_file: Path | None = None
    """For `tokens`; relative to the detector's file."""
    most_tokens: int = Field(default=96, ge=8, le=512)
    output_name: str = "probabilities"
    """FP32, [contents, columns]."""
    columns: tuple[str, ...] = Field(min_length=1, max_length=256)
    """A category each, or nothing for a column that is of no interest."""

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        if (self.input_as == "tokens") != (self.tokenizer_file is not None):
            raise ValueError("`input_as: tokens` and `tokenizer_file` belong together")
        return self

    def secrets(self) -> Sequence[Path]:
        """See `DetectorSettings`: it must be there."""
        return [] if self.tokenizer_file is None else [self.tokenizer_file]


class _Asks:
    def __init__(self, opening: Opening) -> None:
        self._settings: Settings = opening.settings
        self._categories = frozenset(opening.categories)
        self._seconds = opening.seconds
        if self._settings.tokenizer_file is None:
            self._inputs = raw(self._settings.input_name)
        else:
            self._inputs = tokens(opening.folder / self._settings.tokenizer_file, longest=self._settings.most_tokens)
        self._client = triton.InferenceServerClient(opening.triton, channel_args=list(CHANNEL_OPTIONS))

    async def ask(self, questions: Sequence[Question]) -> Sequence[Answer]:
        inputs = await asyncio.to_thread(self._inputs, questions)
        try:
            result = await self._client.infer(
                self._settings.model,
                inputs,
                model_version=self._settings.model_version,
                client_timeout=self._seconds,
            )
        except InferenceServerException as error:
            raise NotThere(f"Triton answers {error.status() or 'nothing'}") from None
        rows: NDArray[np.float32] | None = result.as_numpy(self._settings.output_name)
        if rows is None or rows.shape != (len(questions), len(self._settings.columns)):
            raise WrongAnswer("the model's output is not what the detector's file says")
        return [self._found(row) for row in rows.tolist()]

    async def close(self) -> None:
        await self._client.close()

    def _found(self, row: Sequence[float]) -> Found:
        columns = zip(self._settings.columns, row, strict=True)
        return Found({category: score for category, score in columns if category in self._categories})


DETECTOR = Detector(
    Card(
        name="triton_model_scores",
        summary="asks a model of the mesh's own Triton",
        version="1",
        kinds=frozenset(Kind),
        place=Place.TRITON,
        settings=Settings,
    ),
    _Asks,
)
