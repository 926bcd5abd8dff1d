"""Trains the fast text tier: one logistic head a category over hashed character n-grams, and the second-look head."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from services.detection.fast_tier import FastTier
from services.detection.hashing import BUCKET_BITS, grams

_BATCH = 256
_RATE = 0.05
_WIDEST_PERCENTILE = 99.999
"""Of the weights: what lies beyond is cut, so that a few do not cost all others their resolution."""


def fit(texts: Sequence[str], targets: NDArray[np.float32], *, epochs: int, seed: int) -> FastTier:
    """Learns `targets` [lines, heads], NaN where unknown; soft targets are allowed. Uncalibrated."""
    torch.manual_seed(seed)
    random_ = np.random.default_rng(seed)
    heads = targets.shape[1]
    table = torch.nn.EmbeddingBag(2**BUCKET_BITS, heads, mode="sum", sparse=True)
    torch.nn.init.zeros_(table.weight)
    bias = torch.nn.Parameter(torch.full((heads,), -2.0))
    optimisers = [torch.optim.Adagrad([table.weight], lr=_RATE), torch.optim.Adam([bias], lr=0.01)]
    began = time.monotonic()
    for epoch in range(epochs):
        total = 0.0
        shuffled = random_.permutation(len(texts))
        for start in range(0, len(texts), _BATCH):
            chosen = shuffled[start : start + _BATCH]
            found = grams([texts[i] for i in chosen])
            counts = np.diff(found.starts, append=len(found.buckets))
            scale = torch.from_numpy((1 / np.sqrt(counts)).astype(np.float32))[:, None]
            logits = table(torch.from_numpy(found.buckets), torch.from_numpy(found.starts)) * scale + bias
            labels = torch.from_numpy(targets[chosen])
            known = ~torch.isnan(labels)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known])
            for optimiser in optimisers:
                optimiser.zero_grad()
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            total += loss.item()
        print(f"epoch {epoch} loss {total / (len(texts) / _BATCH):.4f} {time.monotonic() - began:.0f}s", flush=True)
    return _narrowed(table.weight.detach().numpy(), bias.detach().numpy())


def _narrowed(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> FastTier:
    used = np.abs(weights[np.abs(weights).max(axis=1) > 0])
    step = (np.percentile(used, _WIDEST_PERCENTILE, axis=0) / 127).astype(np.float32)
    narrow = np.clip(np.round(weights / step), -127, 127).astype(np.int8)
    plain = np.tile(np.asarray([1.0, 0.0], dtype=np.float32), (len(bias), 1))
    return FastTier("training", narrow, step, bias, plain)


def beside(one: FastTier, other: FastTier) -> FastTier:
    """The heads of both as one model."""
    return FastTier(
        "training",
        np.concatenate([one.weights, other.weights], axis=1),
        np.concatenate([one.step, other.step]),
        np.concatenate([one.bias, other.bias]),
        np.concatenate([one.calibration, other.calibration]),
    )


def predict(model: FastTier, texts: Sequence[str]) -> NDArray[np.float32]:
    """Probabilities, [lines, heads]."""
    return np.concatenate([model.probabilities(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)])
