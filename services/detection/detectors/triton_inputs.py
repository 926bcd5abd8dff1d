"""How contents become tensors for a model on Triton: one way a name, chosen in the detector's file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import tritonclient.grpc.aio as triton
from tokenizers import Tokenizer

from services.detection.detectors.port import Kind, Question

_MOST_TOKENS = 512
Inputs = Callable[[Sequence[Question]], list[triton.InferInput]]
"""Called in a thread."""


def raw(name: str) -> Inputs:
    """One BYTES tensor, [contents, 1]: a text as UTF-8, a picture or clip as it came."""

    def make(questions: Sequence[Question]) -> list[triton.InferInput]:
        rows = np.empty((len(questions), 1), dtype=np.object_)
        for row, one in enumerate(questions):
            rows[row, 0] = one.text.encode("utf-8", "replace") if one.kind is Kind.TEXT else one.data
        tensor = triton.InferInput(name, list(rows.shape), "BYTES")
        tensor.set_data_from_numpy(rows)
        return [tensor]

    return make


def tokens(tokenizer: Path, *, longest: int) -> Inputs:
    """`input_ids` and `attention_mask`, INT64 [contents, tokens], by a `tokenizer.json`; a longer text is cut. Of texts only."""

    @cache
    def encoder() -> Tokenizer:
        # At the first question and not before: a large one takes a while, and here a thread can wait for it.
        made = Tokenizer.from_file(str(tokenizer))
        made.enable_truncation(min(longest, _MOST_TOKENS))
        made.enable_padding()
        return made

    def make(questions: Sequence[Question]) -> list[triton.InferInput]:
        encodings = encoder().encode_batch([one.text for one in questions])
        inputs = []
        for name, rows in (
            ("input_ids", [one.ids for one in encodings]),
            ("attention_mask", [one.attention_mask for one in encodings]),
        ):
            values = np.asarray(rows, dtype=np.int64)
            inputs.append(triton.InferInput(name, list(values.shape), "INT64"))
            inputs[-1].set_data_from_numpy(values)
        return inputs

    return make
