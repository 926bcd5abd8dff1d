"""The loop that trains the deep tier: lines of like length together, a rate that falls, and an average of the weights.

What is kept is the average over the last steps (Polyak & Juditsky, 1992), which is steadier than any step's own weights.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer

from inference.training.data import Line, label_matrix
from inference.training.encoder import Encoder
from inference.training.evasions import roughened, sprinkled
from inference.training.tokens import encode
from services.detection.categories import CATEGORIES

_BATCH = 32
_ROUGHENED, _SPRINKLED = 0.12, 0.04
"""Of lines, every time that they come by."""
_RATE, _HEAD_RATE = 1.5e-4, 1e-3
_HEARD = {"hate": 1.5, "violence.threat": 1.5}
"""How much a label of a category counts; 1 where it is not named."""
_MEMORY = 0.995
"""Of the average of the weights, a step."""
_SAY_EVERY = 100
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Stage:
    """Lines, how often each comes by, and between which shares of the peak rate the schedule falls."""

    lines: Sequence[Line]
    epochs: float
    first_rate: float
    last_rate: float
    frozen_layers: int = 0
    """So many of the lowest layers stay as they are: a third faster, and they keep what they know of every language."""
    far: float = 1.0
    """How far the result goes from where the stage began: a little less than all the way forgets less."""


def fit(
    model: Encoder,
    tokenizer: Tokenizer,
    stage: Stage,
    *,
    seed: int,
    note: Callable[[int, Weights], None] | None = None,
    every: int = 500,
) -> None:
    """Trains in place, and leaves the average, as far as the stage says. bfloat16 where the processor has it; the weights stay
    wide. `note` is told the average so far at every so many steps."""
    torch.manual_seed(seed)
    _freeze(model.train(), stage.frozen_layers)
    optimiser = _optimiser(model)
    steps = int(len(stage.lines) * stage.epochs) // _BATCH
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(stage, step, steps))
    heard = torch.tensor([_HEARD.get(category, 1.0) for category in CATEGORIES])
    average = copy.deepcopy(trained_weights(model))
    before = copy.deepcopy(average)
    began, losses = time.monotonic(), []
    for step, (ids, mask, labels) in enumerate(_batches(stage, tokenizer, steps, seed)):
        loss = _loss(model, ids, mask, labels, heard)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        _remember(average, model, min(_MEMORY, (1 + step) / (10 + step)))
        losses.append(loss.item())
        if step % _SAY_EVERY == 0:
            print(f"step {step}/{steps} loss {np.mean(losses[-200:]):.4f} {time.monotonic() - began:.0f}s", flush=True)
        if note is not None and step and step % every == 0:
            note(step, average)
    model.load_state_dict(between(before, average, stage.far), strict=False)


def trained_weights(model: Encoder) -> Weights:
    """What training changes: everything but word vectors, positions and types."""
    return {name: weight.detach() for name, weight in model.state_dict().items() if name not in _NEVER_TRAINED}


def between(one: Weights, other: Weights, share: float) -> Weights:
    """A straight line from one (0) to the other (1), for weights of one origin (Wortsman et al., 2022)."""
    return {name: torch.lerp(one[name], other[name], share) for name in one}


_NEVER_TRAINED = frozenset(("words.weight", "positions", "types"))
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _freeze(model: Encoder, layers: int) -> None:
    model.norm.requires_grad_(layers == 0)
    for number, layer in enumerate(model.layers):
        layer.requires_grad_(number >= layers)


def _optimiser(model: Encoder) -> torch.optim.Optimizer:
    body = [one for one in (*model.layers.parameters(), *model.norm.parameters()) if one.requires_grad]
    groups = [{"params": body, "lr": _RATE}, {"params": [*model.head.parameters()], "lr": _HEAD_RATE}]
    return torch.optim.AdamW(groups, weight_decay=0.01, fused=True)


def _rate(stage: Stage, step: int, steps: int) -> float:
    falling = stage.last_rate + (stage.first_rate - stage.last_rate) * (1 - step / steps)
    return falling * min(1.0, (step + 1) / max(1, steps // 25))


def _loss(
    model: Encoder, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor, heard: torch.Tensor
) -> torch.Tensor:
    """The mean over known labels, each as much as its category counts."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(ids, mask).float()
    known = ~torch.isnan(labels)
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known], reduction="none")
    return (each * heard.expand_as(labels)[known]).mean()


def _remember(average: Weights, model: Encoder, memory: float) -> None:
    with torch.no_grad():
        for name, weight in trained_weights(model).items():
            average[name].lerp_(weight, 1 - memory)


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
            texts = [_as_typed(one.text, random_) for one in chosen]
            yield *encode(tokenizer, texts), torch.from_numpy(label_matrix(chosen))
            done += 1


def _as_typed(text: str, random_: random.Random) -> str:
    chance = random_.random()
    if chance < _ROUGHENED:
        return roughened(text, random_)
    return sprinkled(text, random_) if chance < _ROUGHENED + _SPRINKLED else text
