"""Trains the deep text tier: the first layers of all-MiniLM-L6-v2, fine-tuned on all categories at once, unknown labels
left out of the loss. Exports it for ONNX Runtime with calibration inside, so that its outputs are probabilities."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.training.calibration import auc, platt
from inference.training.data import Line, label_matrix
from inference.training.encoder import Encoder, load_encoder
from inference.training.export import export
from services.detection.categories import CATEGORIES

MAX_TOKENS = 48
BATCH = 32
_CAPS = {
    "civil_spans": 2600, "davidson": 2400, "hatemoji_build": 2400, "misogyny": 900, "mlma": 600, "germeval2018": 400,
    "sms_spam": 1300, "youtube_spam": 600, "convai_templates": 300, "cold": 0, "offenseval_tr": 0, "pl_cbd": 0,
    "ru_distorted": 0, "ja_toxic": 0, "id_social": 0, "es_goldstd": 100, "written_here": 1500, "*": 900,
}  # fmt: skip
"""Mostly English: the vocabulary is. Other scripts are the fast tier's."""


def train(lines: Sequence[Line], dev: Sequence[Line], weights: Path, folder: Path, *, seed: int, layers: int) -> None:
    """Trains, reports on `dev`, writes `folder` (a Triton model version with its tokenizer beside it)."""
    torch.manual_seed(seed)
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    model = load_encoder(weights, layers=layers, outputs=len(CATEGORIES))
    optimiser = torch.optim.AdamW(
        [
            {"params": list(model.layers.parameters()), "lr": 1e-4},
            {"params": [*model.head.parameters()], "lr": 1e-3},
        ],
        weight_decay=0.01,
    )
    steps = (len(lines) + BATCH - 1) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [1e-4, 1e-3], total_steps=steps, pct_start=0.1)
    began = time.monotonic()
    for step, (ids, mask, labels) in enumerate(_batches(lines, tokenizer, seed)):
        logits = model(ids, mask)
        known = ~torch.isnan(labels)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 25 == 0:
            print(f"step {step}/{steps} loss {loss.item():.4f} {time.monotonic() - began:.0f}s", flush=True)
    logits, labels = _predict(model, dev, tokenizer)
    for position, category in enumerate(CATEGORIES):
        print(f"{category:22} dev ROC-AUC {auc(logits[:, position], labels[:, position]):.3f}", flush=True)
    export(model, platt(logits, labels), folder)
    shutil.copy(weights / "tokenizer.json", folder.parent / "tokenizer.json")


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _batches(lines: Sequence[Line], tokenizer: Tokenizer, seed: int) -> Iterator[Batch]:
    """Lines of like length together, in random order: less padding, the same expectation."""
    random_ = random.Random(seed)
    order = sorted(range(len(lines)), key=lambda i: len(lines[i].text) + random_.random() * 20)
    groups = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    random_.shuffle(groups)
    for group in groups:
        chosen = [lines[i] for i in group]
        ids, mask = encode(tokenizer, [line.text for line in chosen])
        yield ids, mask, torch.from_numpy(label_matrix(chosen))


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, padded to the longest."""
    found = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    longest = max(map(len, found))
    ids = torch.zeros(len(found), longest, dtype=torch.long)
    mask = torch.zeros(len(found), longest, dtype=torch.long)
    for row, one in enumerate(found):
        ids[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    return ids, mask


def _predict(
    model: Encoder, lines: Sequence[Line], tokenizer: Tokenizer
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    model.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(lines), 64):
            found.append(model(*encode(tokenizer, [line.text for line in lines[start : start + 64]])).numpy())
    return np.concatenate(found), label_matrix(lines)


def caps() -> dict[str, int]:
    """How many lines of each source."""
    return dict(_CAPS)
