"""Trains the deep text tier: the first layers of multilingual-e5-small over a vocabulary cut to the languages served,
fine-tuned on all categories at once, unknown labels left out of the loss.

Two stages: labelled lines of others first, then written lines among a fresh sample of labelled ones, so that what the
written ones teach (contrasts with the same words) is not washed out. Exported with calibration inside, so that outputs
are probabilities.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.training.calibration import auc
from inference.training.data import Line, label_matrix
from inference.training.encoder import Encoder, load_encoder
from inference.training.evasions import roughened
from inference.training.pretrained import Pretrained
from inference.training.vocabulary import choose, full_tokenizer, tokenizer_of
from services.detection.categories import CATEGORIES
from services.detection.emoji import spell_out

MAX_TOKENS = 96
VOCABULARY = 80_000
LAYERS = 6
_BATCH = 32
_ROUGHENED = 0.12
_RATE, _HEAD_RATE = 1.5e-4, 1e-3


@dataclass(frozen=True, slots=True)
class Stage:
    """Lines, how often each comes by, and between which shares of the peak rate the schedule falls."""

    lines: Sequence[Line]
    epochs: float
    first_rate: float
    last_rate: float


@dataclass(frozen=True, slots=True)
class Trained:
    """An encoder with the tokenizer that it was trained with."""

    model: Encoder
    tokenizer: Tokenizer
    rows: list[int]
    """The word vectors' rows in the pretrained model."""


def start(encoder: Path, counted: Sequence[Line]) -> Trained:
    """The pretrained encoder over the pieces worth keeping; `counted` are the lines whose pieces surely stay."""
    found = Pretrained.read(encoder)
    full = full_tokenizer(found)
    seen: Counter[int] = Counter()
    for begin in range(0, len(counted), 4096):
        for encoding in full.encode_batch_fast([spell_out(line.text) for line in counted[begin : begin + 4096]]):
            seen.update(encoding.ids)
    rows = choose(found, seen, VOCABULARY)
    model = load_encoder(found, rows, positions=MAX_TOKENS, layers=LAYERS, outputs=len(CATEGORIES))
    return Trained(model, tokenizer_of(found, rows), rows)


def fit(trained: Trained, stage: Stage, *, seed: int) -> None:
    """Trains in place. bfloat16 where the processor has it; the weights stay wide."""
    torch.manual_seed(seed)
    model = trained.model.train()
    optimiser = torch.optim.AdamW(
        [
            {"params": [*model.layers.parameters(), *model.norm.parameters()], "lr": _RATE},
            {"params": [*model.head.parameters()], "lr": _HEAD_RATE},
        ],
        weight_decay=0.01,
        fused=True,
    )
    steps = int(len(stage.lines) * stage.epochs) // _BATCH
    warm = max(1, steps // 25)

    def rate(step: int) -> float:
        falling = stage.last_rate + (stage.first_rate - stage.last_rate) * (1 - step / steps)
        return falling * min(1.0, (step + 1) / warm)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    began, losses = time.monotonic(), []
    for step, (ids, mask, labels) in enumerate(_batches(stage, trained.tokenizer, steps, seed)):
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(ids, mask).float()
        known = ~torch.isnan(labels)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 200 == 0:
            print(f"step {step}/{steps} loss {np.mean(losses[-200:]):.4f} {time.monotonic() - began:.0f}s", flush=True)


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _batches(stage: Stage, tokenizer: Tokenizer, steps: int, seed: int) -> Iterator[Batch]:
    """Lines of like length together, in random order: less padding, the same expectation."""
    random_ = random.Random(seed)
    done = 0
    while done < steps:
        order = sorted(range(len(stage.lines)), key=lambda i: len(stage.lines[i].text) * (0.9 + 0.2 * random_.random()))
        groups = [order[begin : begin + _BATCH] for begin in range(0, len(order), _BATCH)]
        random_.shuffle(groups)
        for group in groups[: steps - done]:
            chosen = [stage.lines[i] for i in group]
            texts = [roughened(one.text, random_) if random_.random() < _ROUGHENED else one.text for one in chosen]
            yield *encode(tokenizer, texts), torch.from_numpy(label_matrix(chosen))
            done += 1


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


def predict(trained: Trained, lines: Sequence[Line]) -> NDArray[np.float32]:
    """Logits, [lines, categories]."""
    model = trained.model.eval()
    order = sorted(range(len(lines)), key=lambda i: len(lines[i].text))
    found = np.zeros((len(lines), len(CATEGORIES)), dtype=np.float32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for begin in range(0, len(order), 64):
            chosen = order[begin : begin + 64]
            found[chosen] = model(*encode(trained.tokenizer, [lines[i].text for i in chosen])).float().numpy()
    return found


def report(logits: NDArray[np.float32], lines: Sequence[Line]) -> None:
    """Prints the area under the ROC curve by source."""
    labels = label_matrix(lines)
    sources = np.asarray([line.source for line in lines])
    for source in sorted(set(sources)):
        rows = sources == source
        areas = {name: auc(logits[rows, at], labels[rows, at]) for at, name in enumerate(CATEGORIES)}
        shown = " ".join(f"{name} {area:.3f}" for name, area in areas.items() if area == area)  # noqa: PLR0124 - not NaN
        print(f"{source:18} {shown}", flush=True)
