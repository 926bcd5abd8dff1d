"""Texts as the deep tier reads them while it is trained: one window each, cut at the most."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer

from services.detection.emoji import spell_out

MAX_TOKENS = 96


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, padded to the longest, cut at the most."""
    found = []
    for encoding in tokenizer.encode_batch_fast([spell_out(text) for text in texts]):
        ids = encoding.ids
        found.append(ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]])
    longest = max(map(len, found))
    ids_ = torch.zeros(len(found), longest, dtype=torch.long)
    for row, one in enumerate(found):
        ids_[row, : len(one)] = torch.tensor(one)
    return ids_, (ids_ != 0).long()
