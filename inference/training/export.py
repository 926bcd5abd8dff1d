"""Writes the encoder as ONNX that is small on disk and exact in a batch: weights are stored narrow and computed wide.

Word vectors are int8 with a scale a row, the other weights fp16, both widened before use. No activation is quantised, so
a text scores the same alone and among any neighbours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from inference.training.encoder import Encoder

_SMALLEST_NARROWED = 1024
_OPSET = 17


class _Served(nn.Module):
    """What is exported: ids and mask in, calibrated probabilities out."""

    def __init__(self, model: Encoder, calibration: NDArray[np.float32]) -> None:
        super().__init__()
        weights = model.words.weight.detach()
        scale = weights.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        self.words = nn.Parameter(torch.round(weights / scale).to(torch.int8), requires_grad=False)
        self.scale = nn.Parameter(scale, requires_grad=False)
        self.model = model
        self.slope = nn.Parameter(torch.from_numpy(calibration[:, 0].copy()), requires_grad=False)
        self.shift = nn.Parameter(torch.from_numpy(calibration[:, 1].copy()), requires_grad=False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        words = self.words[ids].to(torch.float32) * self.scale[ids]
        return torch.sigmoid(self.model.encode(words, mask) * self.slope + self.shift)


def export(model: Encoder, calibration: NDArray[np.float32], folder: Path) -> None:
    """Writes `folder/model.onnx`: `input_ids`, `attention_mask` int64 [batch, tokens] → `probabilities` [batch, categories]."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    served = _Served(model.eval(), calibration).eval()
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
    _narrow(document.graph)
    onnx.checker.check_model(document)
    onnx.save(document, str(path))


def _narrow(graph: onnx.GraphProto) -> None:
    """Large fp32 constants become fp16 with a Cast behind them, which the runtime folds away when it loads."""
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _SMALLEST_NARROWED:
            continue
        wide = tensor.name
        narrow = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{wide}.fp16")
        tensor.CopyFrom(narrow)
        casts.append(onnx.helper.make_node("Cast", [narrow.name], [wide], to=onnx.TensorProto.FLOAT))
    for position, cast in enumerate(casts):
        graph.node.insert(position, cast)
