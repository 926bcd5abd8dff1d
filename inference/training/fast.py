"""Trains the fast text tier: one calibrated logistic head a category over hashed character n-grams."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from inference.training.calibration import auc, platt
from inference.training.data import Line, label_matrix
from services.detection.categories import CATEGORIES
from services.detection.fast_tier import FastTier
from services.detection.hashing import BUCKET_BITS, grams
from services.detection.normalise import VERSION as NORMALISER

_BATCH = 256
_EPOCHS = 2
_RATE = 0.05


def train(lines: Sequence[Line], dev: Sequence[Line], folder: Path, *, seed: int) -> None:
    """Trains, calibrates on `dev`, writes `folder/weights.npz` and `folder/card.json`."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    table = torch.nn.EmbeddingBag(2**BUCKET_BITS, len(CATEGORIES), mode="sum", sparse=True)
    torch.nn.init.zeros_(table.weight)
    bias = torch.nn.Parameter(torch.full((len(CATEGORIES),), -2.0))
    optimisers = [torch.optim.Adagrad([table.weight], lr=_RATE), torch.optim.Adam([bias], lr=0.01)]
    began = time.monotonic()
    for epoch in range(_EPOCHS):
        total = 0.0
        shuffled = order.permutation(len(lines))
        for start in range(0, len(lines), _BATCH):
            chosen = [lines[i] for i in shuffled[start : start + _BATCH]]
            found = grams([line.text for line in chosen])
            counts = np.diff([*found.starts, len(found.buckets)])
            scale = torch.from_numpy((1 / np.sqrt(counts)).astype(np.float32))[:, None]
            sums = table(torch.from_numpy(found.buckets), torch.from_numpy(found.starts))
            labels = torch.from_numpy(label_matrix(chosen))
            known = ~torch.isnan(labels)
            logits = sums * scale + bias
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known])
            for optimiser in optimisers:
                optimiser.zero_grad()
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            total += loss.item()
        print(f"epoch {epoch} loss {total / (len(lines) / _BATCH):.4f} {time.monotonic() - began:.0f}s", flush=True)
    weights = table.weight.detach().numpy()
    step = np.abs(weights).max(axis=0) / 127
    narrow = np.round(weights / step).astype(np.int8)
    uncalibrated = np.tile(np.asarray([1.0, 0.0], dtype=np.float32), (len(CATEGORIES), 1))
    model = FastTier("training", narrow, step.astype(np.float32), bias.detach().numpy(), uncalibrated)
    labels = label_matrix(dev)
    logits = np.concatenate([model.logits([line.text for line in dev[i : i + 256]]) for i in range(0, len(dev), 256)])
    calibration = platt(logits, labels)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "weights.npz", weights=narrow, step=step.astype(np.float32), bias=bias.detach().numpy(),
        calibration=calibration,
    )  # fmt: skip
    report = _report(dev, logits, labels)
    card = {
        "normaliser": NORMALISER,
        "categories": list(CATEGORIES),
        "lines": len(lines),
        "seed": seed,
        "dev_roc_auc": report,
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(report["*"], indent=1))


def _report(dev: Sequence[Line], logits: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, float]]:
    sources = np.asarray([line.source for line in dev])
    report: dict[str, dict[str, float]] = {}
    for source in ["*", *sorted(set(sources))]:
        rows = np.ones(len(dev), dtype=bool) if source == "*" else sources == source
        areas = {name: auc(logits[rows, i], labels[rows, i]) for i, name in enumerate(CATEGORIES)}
        report[source] = {name: round(area, 3) for name, area in areas.items() if area == area}  # noqa: PLR0124 - not NaN
    return report
