"""What holds the tiers together: the second-look head of the fast tier, and the cascade's numbers.

The second look learns how far the deep tier's answer is from what a fast tier says that has not seen the line; so it knows
the words, in any language, about which the fast tier is not to be trusted. The cascade's weights are fitted on dev lines,
which neither tier was trained on.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.training import deep, fast, guiding, templates
from inference.training.calibration import platt
from inference.training.data import Line, capped, label_matrix
from inference.training.deep import Trained
from services.detection.cascade import Cascade, held
from services.detection.categories import CATEGORIES
from services.detection.fast_tier import FastTier
from services.detection.normalise import normalise
from tools.bench.texts import lines as chat_lines

_UNSURE_FROM = {
    "toxicity": 0.6, "harassment.insult": 0.4, "hate": 0.2, "violence.threat": 0.2, "sexual": 0.25, "self_harm": 0.1,
    "integrity.spam": 0.4, "platform.profanity": 1.1,
}  # fmt: skip
"""Of the fast tier's uncalibrated probability: low enough that it alone never says what a policy acts on, but for swearing, which
is a matter of words; high enough that ordinary chat stays below."""
_STEPS = 100
_EPOCHS = 3
_SAMPLED, _WRITTEN = 700, 12_000
"""Lines of a source, and of those written here, that the second look learns from."""
_LONG_FROM, _LONG_FROM_ELSEWHERE = 76, 42
"""See `Cascade`. Longer than what people type while they play, and as short as that allows: of all dev rows that could be asked
about, the deep tier gains most on the long ones."""
_CHATS, _CHAT = 8, 1000
"""So many streams of chat, as the bench makes it up, and so many lines of each: they differ more than their lines do."""
_SHARE = 0.14
"""Of them is asked about."""
_COUNTS_AS = 500
"""Lines that a source counts as at most when the cascade is fitted."""
_GUIDING_COUNTS = 8.0
"""How much a functional case counts: they are few, and their labels are sure."""


def unseen_opinions(lines: Sequence[Line], *, epochs: int, seed: int) -> NDArray[np.float32]:
    """What a fast tier says of each line that was trained on the other half, [lines, categories]."""
    texts, labels = [line.text for line in lines], label_matrix(lines)
    half = np.random.default_rng(seed).random(len(lines)) < 0.5  # noqa: PLR2004 - halves
    found = np.zeros_like(labels)
    for chosen in (half, ~half):
        model = fast.fit([texts[i] for i in np.flatnonzero(chosen)], labels[chosen], epochs=epochs, seed=seed)
        found[~chosen] = fast.predict(model, [texts[i] for i in np.flatnonzero(~chosen)])
    return found


def disagreement(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """[lines, 1]: the widest difference in any category that a second look is taken for."""
    counted = [position for position, name in enumerate(CATEGORIES) if name != "platform.profanity"]
    widest: NDArray[np.float32] = np.abs(one - other)[:, counted].max(axis=1, keepdims=True)
    return widest


def threshold(model: FastTier, chat: Sequence[str], share: float) -> float:
    """So that of ordinary chat lines `share` are asked about, those above the categories' own bounds included."""
    probabilities = fast.predict(model, chat)
    bounds = np.asarray([_UNSURE_FROM[name] for name in CATEGORIES])
    sure = ~(probabilities[:, :-1] >= bounds).any(axis=1)
    left = share * len(chat) - (~sure).sum()
    doubts = np.sort(probabilities[sure, -1])[::-1]
    return float(doubts[int(np.clip(left, 0, len(doubts) - 1))])


def fit(
    fast_dev: NDArray[np.float32], deep_dev: NDArray[np.float32], labels: NDArray[np.float32],
    weights: NDArray[np.float32], second_look_from: float, lines: Sequence[Line],
) -> Cascade:  # fmt: skip
    """The cascade's numbers from dev lines: probabilities of both tiers, labels, and how much each line counts."""
    count = len(CATEGORIES)
    bounds = np.asarray([_UNSURE_FROM[name] for name in CATEGORIES], dtype=np.float32)
    cascade = Cascade(
        second_look_from,
        bounds,
        _LONG_FROM,
        _LONG_FROM_ELSEWHERE,
        np.zeros((count, 2), np.float32),
        np.zeros((count, 3), np.float32),
    )
    languages = [line.language or "en" for line in lines]
    asked = cascade.wanted(fast_dev, languages, [held(line.text) for line in lines])
    for position in range(count):
        known = ~np.isnan(labels[:, position])
        one, two = _logit(fast_dev[:, position]), _logit(deep_dev[:, position])
        ones = np.ones_like(one)
        cascade.alone[position] = _regression(
            np.stack([one, ones], axis=1)[known & ~asked], labels[known & ~asked, position], weights[known & ~asked],
            np.asarray([1.0, 0.0]), np.asarray([30.0, 1.0]),
        )  # fmt: skip
        cascade.together[position] = _regression(
            np.stack([one, two, ones], axis=1)[known & asked], labels[known & asked, position], weights[known & asked],
            np.asarray([0.3, 0.8, 0.0]), np.asarray([10.0, 10.0, 0.5]),
        )  # fmt: skip
    return cascade


def write(cascade: Cascade, folder: Path) -> None:
    """As `Cascade.load` reads it."""
    document = {
        "second_look_from": round(cascade.second_look_from, 4),
        "long_from": cascade.long_from,
        "long_from_elsewhere": cascade.long_from_elsewhere,
        "categories": {
            name: {
                "unsure_from": round(float(cascade.unsure_from[position]), 3),
                "alone": [round(float(value), 4) for value in cascade.alone[position]],
                "together": [round(float(value), 4) for value in cascade.together[position]],
            }
            for position, name in enumerate(CATEGORIES)
        },
    }
    (folder / "cascade.json").write_text(json.dumps(document, indent=1) + "\n")


def save(model: FastTier, folder: Path) -> None:
    """As `FastTier.load` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "weights.npz", weights=model.weights, step=model.step, bias=model.bias, calibration=model.calibration
    )


def _regression(
    inputs: NDArray[np.float32], labels: NDArray[np.float32], weights: NDArray[np.float32],
    prior: NDArray[np.float64], strength: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Logistic, by Newton's method, drawn to a prior: some categories have few lines. Only shifts may be negative."""
    found = prior.copy()
    x, y, w = inputs.astype(np.float64), labels.astype(np.float64), weights.astype(np.float64)
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        gradient = x.T @ (w * (probability - y)) + strength * (found - prior)
        curvature = (x * (w * probability * (1 - probability))[:, None]).T @ x + np.diag(strength)
        step = np.linalg.solve(curvature, gradient)
        found = found - np.clip(step, -0.5, 0.5)
        found[:-1] = np.maximum(found[:-1], 0.0)
        if np.abs(step).max() < 1e-6:  # noqa: PLR2004 - converged
            break
    return found


def _logit(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    clipped = np.clip(probability, 1e-5, 1 - 1e-5)
    logit: NDArray[np.float32] = np.log(clipped / (1 - clipped)).astype(np.float32)
    return logit


def train(
    trained: Trained, labelled: Sequence[Line], written: Sequence[Line], dev: Sequence[Line], folder: Path, *, seed: int
) -> None:
    """Trains the fast tier and fits the cascade; writes both to `folder`."""
    lines = [*labelled, *written]
    model = fast.fit([line.text for line in lines], label_matrix(lines), epochs=_EPOCHS, seed=seed)
    fitted = [*dev, *guiding.lines()]
    logits = deep.predict(trained, fitted)
    calibration = platt(logits[: len(dev)], label_matrix(dev))
    sample = capped([*labelled, *written], {"*": _SAMPLED, templates.SOURCE: _WRITTEN}, seed)
    texts = [line.text for line in sample]
    opinions = unseen_opinions(sample, epochs=_EPOCHS, seed=seed)
    answers = _probabilities(deep.predict(trained, sample), calibration)
    doubt = fast.fit(texts, disagreement(opinions, answers), epochs=_EPOCHS, seed=seed)
    whole = fast.beside(model, doubt)
    chat = [
        normalise(one).text for stream in range(_CHATS) for one in itertools.islice(chat_lines(seed + stream), _CHAT)
    ]
    bound = threshold(whole, chat, _SHARE)
    cascade = fit(
        fast.predict(whole, [line.text for line in fitted]), _probabilities(logits, calibration), label_matrix(fitted),
        evenly(fitted), bound, fitted,
    )  # fmt: skip
    save(whole, folder)
    write(cascade, folder)


def evenly(lines: Sequence[Line]) -> NDArray[np.float32]:
    """[lines]: how much each counts, so that no source drowns the others."""
    sizes = Counter(line.source for line in lines)
    weights = {source: min(1.0, _COUNTS_AS / size) for source, size in sizes.items()}
    weights[guiding.SOURCE] = _GUIDING_COUNTS
    return np.asarray([weights[line.source] for line in lines], dtype=np.float32)


def _probabilities(logits: NDArray[np.float32], calibration: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = 1 / (1 + np.exp(-np.clip(logits * calibration[:, 0] + calibration[:, 1], -30, 30)))
    return found
