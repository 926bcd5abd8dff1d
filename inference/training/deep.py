"""The deep text tier while it is trained: the first layers of multilingual-e5-small over a vocabulary cut to the languages
served, fine-tuned on all categories at once, unknown labels left out of the loss.

It begins with the pretrained encoder, or goes on from a release. `recipe` says with which lines, `fitting` how. Exported with
calibration inside, so that outputs are probabilities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.training import released
from inference.training.calibration import auc
from inference.training.data import Line, label_matrix
from inference.training.encoder import Encoder, load_encoder
from inference.training.pretrained import Pretrained
from inference.training.tokens import MAX_TOKENS, encode
from inference.training.vocabulary import choose, full_tokenizer, tokenizer_of
from services.detection.categories import CATEGORIES
from services.detection.emoji import spell_out

VOCABULARY = 80_000
LAYERS = 6


@dataclass(frozen=True, slots=True)
class Trained:
    """An encoder with the tokenizer that it was trained with."""

    model: Encoder
    tokenizer: Tokenizer
    packed: NDArray[np.uint8]
    """Its word vectors as they are stored, [pieces, blocks, 16]: never trained."""
    step: NDArray[np.float16]
    """[pieces, blocks]"""


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
    return Trained(model, tokenizer_of(found, rows), *found.packed("emb.word", rows))


def go_on(folder: Path, version: str) -> Trained:
    """As a release has it; its pieces stay the same."""
    return Trained(*released.read(folder, version))


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


def areas(logits: NDArray[np.float32], lines: Sequence[Line]) -> dict[str, dict[str, float]]:
    """The area under the ROC curve by source and category, where there are labels of both kinds."""
    labels = label_matrix(lines)
    sources = np.asarray([line.source for line in lines])
    found: dict[str, dict[str, float]] = {}
    for source in sorted(set(sources)):
        rows = sources == source
        of_source = {name: auc(logits[rows, at], labels[rows, at]) for at, name in enumerate(CATEGORIES)}
        found[source] = {name: area for name, area in of_source.items() if not np.isnan(area)}
    return found


def report(logits: NDArray[np.float32], lines: Sequence[Line]) -> None:
    """Prints the areas by source, and their mean by category."""
    found = areas(logits, lines)
    for source, of_source in found.items():
        print(f"{source:18} {' '.join(f'{name} {area:.3f}' for name, area in of_source.items())}", flush=True)
    means = {name: [one[name] for one in found.values() if name in one] for name in CATEGORIES}
    print(f"{'mean':18} {' '.join(f'{name} {np.mean(all_):.3f}' for name, all_ in means.items() if all_)}", flush=True)
