"""Goes on from a release: the encoder as it was trained, out of the ONNX file that is served.

Matrices come back as the 8-bit blocks say, so they are off by at most half a step (1/254 of a block's largest weight);
everything else comes back bit for bit, the word vectors in the four bits that they are stored in.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer

from inference.training.encoder import Encoder
from inference.training.narrow import widened
from inference.training.pretrained import words_widened

_OURS = "model."
Arrays = dict[str, NDArray[np.generic]]


def read(folder: Path, version: str) -> tuple[Encoder, Tokenizer, NDArray[np.uint8], NDArray[np.float16]]:
    """The encoder, its tokenizer, and its word vectors as they are stored. `folder` holds `tokenizer.json` and
    `version/model.onnx`. Raises FileNotFoundError, or ValueError for a graph that `export` has not written."""
    document = onnx.load(str(folder / version / "model.onnx"))
    stored: Arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in document.graph.initializer}
    if "packed" not in stored or "step" not in stored:
        raise ValueError(
            f"{folder / version} holds no packed word vectors; only a release that was exported here can go on"
        )
    state = {
        name.removeprefix(_OURS): torch.from_numpy(array.copy())
        for name, array in stored.items()
        if name.startswith(_OURS)
    }
    state |= _matrices(document.graph, stored)
    packed, step = stored["packed"].astype(np.uint8), stored["step"].astype(np.float16)
    state["words.weight"] = torch.from_numpy(words_widened(packed, step))
    layers = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
    model = Encoder(state["words.weight"], len(state["positions"]), layers, len(state["head.bias"]))
    model.load_state_dict(state)
    return model, Tokenizer.from_file(str(folder / "tokenizer.json")), packed, step


def _matrices(graph: onnx.GraphProto, stored: Arrays) -> dict[str, torch.Tensor]:
    """The narrow products' matrices by the name of what they project, which stands in the product's name."""
    found = {}
    for node in graph.node:
        if node.op_type != "MatMulNBits":
            continue
        layer, number, what = node.output[0].strip("/").replace(".", "/").split("/")[:3]
        values, steps = (stored[name] for name in node.input[1:3])
        found[f"{layer}.{number}.{what}.weight"] = torch.from_numpy(
            widened(values.astype(np.uint8), steps.astype(np.float32))
        )
    return found
