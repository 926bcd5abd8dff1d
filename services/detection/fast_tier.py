"""The fast tier: one logistic head a category over hashed character n-grams, in any script, and one head more that says how
likely the deep tier is to see a line otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.detection.hashing import Grams, grams

_SPAN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class FastTier:
    """Weights in memory: int8 with a step a category."""

    version: str
    weights: NDArray[np.int8]
    """[buckets, heads]: the categories, then the second look."""
    step: NDArray[np.float32]
    bias: NDArray[np.float32]
    calibration: NDArray[np.float32]
    """[heads, 2]: slope and shift of the logit."""

    @classmethod
    def load(cls, folder: Path) -> FastTier:
        """Reads `folder/weights.npz`; the version is the digest of what lies in the folder, the cascade's numbers included."""
        digest = hashlib.sha256()
        for name in ("weights.npz", "cascade.json"):
            path = folder / name
            digest.update(path.read_bytes() if path.exists() else b"")
        with np.load(folder / "weights.npz") as found:
            return cls(
                f"{folder.name}-{digest.hexdigest()[:12]}",
                found["weights"], found["step"], found["bias"], found["calibration"],
            )  # fmt: skip

    @property
    def bits(self) -> int:
        """Of a bucket's number."""
        return len(self.weights).bit_length() - 1

    def probabilities(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """[lines, heads]; each line's do not depend on its neighbours."""
        logits = self.logits(lines) * self.calibration[:, 0] + self.calibration[:, 1]
        found: NDArray[np.float32] = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return found

    def logits(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """Before calibration."""
        found = grams(lines, self.bits)
        counts = np.diff(found.starts, append=len(found.buckets)).astype(np.float32)
        # Whole numbers add up the same in any order: a line alone and in a batch score bit for bit alike.
        sums = np.add.reduceat(self.weights[found.buckets].astype(np.int32), found.starts, axis=0)
        logits: NDArray[np.float32] = (sums / np.sqrt(counts)[:, None]).astype(np.float32) * self.step + self.bias
        return logits

    def span(self, line: str, category: int) -> tuple[int, int] | None:
        """The range of the line that speaks most for a category: the words around its heaviest n-grams."""
        found = grams([line], self.bits)
        pull = _pull(found, self.weights[found.buckets, category], len(line))
        if pull.size == 0 or pull.max() <= 0:
            return None
        return _words(line, pull)


def _pull(found: Grams, weights: NDArray[np.int8], length: int) -> NDArray[np.float32]:
    """How much each character of the line adds."""
    edges = np.zeros(length + 3, dtype=np.float32)
    share = weights.astype(np.float32) / found.sizes
    np.add.at(edges, np.minimum(found.positions, length + 2), share)
    np.add.at(edges, np.minimum(found.positions + found.sizes, length + 2), -share)
    pull: NDArray[np.float32] = np.cumsum(edges)[1 : length + 1]  # the leading space is no character of the line
    return pull


def _words(line: str, pull: NDArray[np.float32]) -> tuple[int, int]:
    """Whole words from the first to the last that pulls at least half as much as the strongest."""
    words: list[tuple[int, int, float]] = []
    start = 0
    for word in line.split(" "):
        end = start + len(word)
        if word and start < len(pull):
            words.append((start, end, float(pull[start:end].max(initial=0.0))))
        start = end + 1
    strongest = max(weight for _, _, weight in words)
    strong = [(begin, end) for begin, end, weight in words if weight >= _SPAN_SHARE * strongest]
    return strong[0][0], strong[-1][1]
