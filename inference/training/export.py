"""Writes the encoder as ONNX that is small on disk and exact in a batch.

Word vectors keep the 4 bits that they came with and are widened as they are looked up. The matrices of the layers are 8 bits
in blocks of 128 (`MatMulNBits`), which ONNX Runtime multiplies with activations that it narrows row by row: a text scores the
same alone and among any neighbours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer
from torch import nn

from inference.training.deep import Trained
from inference.training.encoder import Encoder
from inference.training.narrow import BITS, BLOCK, narrowed

_INT8_ACTIVATIONS = 4
"""`accuracy_level` of MatMulNBits."""
_OPSET = 17


class _Served(nn.Module):
    """What is exported: ids and mask in, calibrated probabilities out."""

    def __init__(
        self, model: Encoder, packed: NDArray[np.uint8], step: NDArray[np.float16], calibration: NDArray[np.float32]
    ) -> None:
        super().__init__()
        self.packed = nn.Parameter(torch.from_numpy(packed), requires_grad=False)
        self.step = nn.Parameter(torch.from_numpy(step), requires_grad=False)
        self.model = model
        self.slope = nn.Parameter(torch.from_numpy(calibration[:, 0].copy()), requires_grad=False)
        self.shift = nn.Parameter(torch.from_numpy(calibration[:, 1].copy()), requires_grad=False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        nibbles = self.packed[ids].to(torch.float32)
        high = torch.floor(nibbles / 16)
        low = nibbles - high * 16
        blocks = torch.cat([low, high], dim=-1) - 8
        words = (blocks * self.step[ids].to(torch.float32)[..., None]).flatten(2)
        return torch.sigmoid(self.model.encode(words, mask) * self.slope + self.shift)


def export(trained: Trained, calibration: NDArray[np.float32], folder: Path) -> None:
    """Writes `folder/model.onnx`: `input_ids`, `attention_mask` int64 [batch, tokens] → `probabilities` [batch, categories],
    and the tokenizer beside the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    served = _Served(trained.model.eval(), trained.packed, trained.step, calibration).eval()
    example = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
    torch.onnx.export(
        served,
        example,
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["probabilities"],
        dynamic_axes={
            "input_ids": {0: "batch", 1: "tokens"},
            "attention_mask": {0: "batch", 1: "tokens"},
            "probabilities": {0: "batch"},
        },
        opset_version=_OPSET,
        dynamo=False,
    )
    document = onnx.load(str(path))
    _narrow(document)
    onnx.checker.check_model(document)
    onnx.save(document, str(path))
    _save_tokenizer(trained.tokenizer, folder.parent / "tokenizer.json")


def _save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """A release that went on has the same pieces: then the file stays as it is, scores to the last digit."""
    if not path.exists() or Tokenizer.from_file(str(path)).get_vocab() != tokenizer.get_vocab():
        tokenizer.save(str(path), pretty=False)


def _narrow(document: onnx.ModelProto) -> None:
    """Products with large constant matrices become products with narrow ones."""
    graph = document.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    replaced: set[str] = set()
    for node in graph.node:
        matrix = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        if matrix is None or len(matrix.dims) != 2 or matrix.dims[0] % BLOCK:  # noqa: PLR2004 - a matrix
            continue
        depth, width = matrix.dims
        values, scales = narrowed(numpy_helper.to_array(matrix).T)
        names = (f"{matrix.name}.q", f"{matrix.name}.scale")
        graph.initializer.extend([numpy_helper.from_array(values, names[0]), numpy_helper.from_array(scales, names[1])])
        replaced.add(matrix.name)
        narrow = onnx.helper.make_node(
            "MatMulNBits",
            [node.input[0], *names],
            list(node.output),
            domain="com.microsoft",
            K=depth,
            N=width,
            bits=BITS,
            block_size=BLOCK,
            accuracy_level=_INT8_ACTIVATIONS,
        )
        node.CopyFrom(narrow)
    for name in replaced:
        graph.initializer.remove(constants[name])
    document.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
