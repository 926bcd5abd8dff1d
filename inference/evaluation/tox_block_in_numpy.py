"""`tox-block` without TensorFlow, as a script of a Python that has it (`pip install --no-deps tox-block` and `h5py`).

    PYTHON tox_block_in_numpy.py texts.json scores.json

Reads the package's Keras weights and its tokenizer's words, and does in numpy what they say: words to vectors, a bidirectional
LSTM, the maximum over time, two dense layers. Writes for each text its six probabilities, unscaled. Stands by itself: what
runs it knows nothing of Moat.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-not-found]
import numpy as np
from numpy.typing import NDArray

_SIGNS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))
"""What Keras' tokenizer takes for spaces."""
_REMOVED = (r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", r"http://.*\..*", r"\[\[User.*\|")
_TOGETHER = 256
Array = NDArray[np.float32]
Weights = dict[str, Array]


class _Stub:
    """Any class of Keras or scikit-learn, for what it holds."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)


class _Holder(pickle.Unpickler):
    """Loads nobody's code."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as the one it stands in for
        if (module, name) in (("collections", "OrderedDict"), ("collections", "defaultdict"), ("builtins", "int")):
            return super().find_class(module, name)
        return _Stub


def main(given: str, answered: str) -> None:
    """Scores the texts of one file into another."""
    found = importlib.util.find_spec("tox_block")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("tox-block is not installed here")
    config = runpy.run_path(str(Path(found.submodule_search_locations[0]) / "config" / "config.py"))
    with h5py.File(config["MODEL_PATH"]) as file:
        weights = _matrices(file["model_weights"])
    with Path(config["ENCODER_PATH"]).open("rb") as encoder:
        numbers = _word_numbers(_Holder(encoder).load())
    stop = re.compile(config["RE_STOPWORD_STRING"], re.IGNORECASE)
    known = {word: number for word, number in numbers.items() if number < config["MAX_FEATURES"]}
    ids = np.stack(
        [_ids(text, stop, known, config["MAX_SEQUENCE_LENGTH"]) for text in json.loads(Path(given).read_text())]
    )
    scores = np.concatenate([_scores(ids[i : i + _TOGETHER], weights) for i in range(0, len(ids), _TOGETHER)])
    Path(answered).write_text(json.dumps(scores.tolist()))


def _matrices(group: Any) -> Weights:  # noqa: ANN401 - of a library without types
    found: Weights = {}
    group.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def _word_numbers(held: object) -> dict[str, int]:
    """The words of the tokenizer, wherever in the pipeline it is."""
    waiting = [held]
    while waiting:
        one = waiting.pop()
        if isinstance(one, _Stub):
            numbers = one.__dict__.get("word_index")
            if isinstance(numbers, dict):
                return numbers
            waiting.extend(one.__dict__.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
    raise SystemExit("the package's encoder holds no tokenizer")


def _ids(text: str, stop: re.Pattern[str], numbers: dict[str, int], length: int) -> NDArray[np.int64]:
    """[length]: the last words, zeros before them."""
    text = text.lower().replace("\n", " ")
    for pattern in _REMOVED:
        text = re.sub(pattern, "", text)
    words = stop.sub("", text).translate(_SIGNS).split()
    known = [numbers[word] for word in words if word in numbers][-length:]
    row = np.zeros(length, dtype=np.int64)
    row[length - len(known) :] = known
    return row


def _scores(ids: NDArray[np.int64], weights: Weights) -> Array:
    words = _of(weights, "embedding")[ids]
    ways = []
    for way, turn in (("forward", 1), ("backward", -1)):
        matrices = [_of(weights, way, name) for name in ("/kernel", "/recurrent_kernel", "/bias")]
        ways.append(_lstm(words[:, ::turn], *matrices).max(axis=1))
    hidden = np.concatenate(ways, axis=1)
    first, last = sorted({name.split("/")[0] for name in weights if name.startswith("dense")})
    hidden = np.maximum(hidden @ _of(weights, first, "kernel") + _of(weights, first, "bias"), 0)
    return _sigmoid(hidden @ _of(weights, last, "kernel") + _of(weights, last, "bias"))


def _of(weights: Weights, *parts: str) -> Array:
    return next(value for name, value in weights.items() if all(part in name for part in parts))


def _lstm(words: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """[texts, words, units]; gates in Keras' order: in, forget, cell, out."""
    units = recurrent.shape[0]
    state = cell = np.zeros((len(words), units), dtype=np.float32)
    given = words @ kernel + bias
    found = np.empty((*words.shape[:2], units), dtype=np.float32)
    for at in range(words.shape[1]):
        let_in, keep, new, out = np.split(given[:, at] + state @ recurrent, 4, axis=1)
        cell = _gate(keep) * cell + _gate(let_in) * np.tanh(new)
        state = _gate(out) * np.tanh(cell)
        found[:, at] = state
    return found


def _gate(value: Array) -> Array:
    """Keras' hard sigmoid, which this model has."""
    found: Array = np.clip(0.2 * value + 0.5, 0, 1).astype(np.float32)
    return found


def _sigmoid(value: Array) -> Array:
    found: Array = (1 / (1 + np.exp(-np.clip(value, -30, 30)))).astype(np.float32)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
