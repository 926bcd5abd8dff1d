"""The finder: a few small convolutions that say of each square of eight by eight pixels whether there are letters."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

_FIRST, _CHANNELS = 24, 32
_DILATIONS = (1, 2, 1, 2, 1, 4, 1, 2)


class Finder(nn.Module):
    """86,000 weights. Most of the work is done once the picture is an eighth as long and as high."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, _FIRST, 8, 4, 2, bias=False)
        self.first_norm = nn.BatchNorm2d(_FIRST)
        self.second = nn.Conv2d(_FIRST, _CHANNELS, 3, 2, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(_CHANNELS)
        self.around = nn.ModuleList(
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, 1, wide, dilation=wide, bias=False) for wide in _DILATIONS
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(_CHANNELS) for _ in _DILATIONS)
        self.last = nn.Conv2d(_CHANNELS, 1, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Of pixels [pictures, 3, rows, columns] from 0 to 255, logits [pictures, rows / 8, columns / 8]."""
        found = torch.relu(self.first_norm(self.first(pixels / 127.5 - 1)))
        found = torch.relu(self.second_norm(self.second(found)))
        for layer, norm in zip(self.around, self.norms, strict=True):
            found = found + torch.relu(norm(layer(found)))
        return self.last(found)[:, 0]


class _Served(nn.Module):
    """As Triton serves it: one picture [rows, columns, 3] of bytes, probabilities [rows / 8, columns / 8]."""

    def __init__(self, finder: Finder) -> None:
        super().__init__()
        self.finder = finder

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.finder(picture.permute(2, 0, 1)[None].float()))[0]


def export(finder: Finder, path: Path) -> None:
    """Writes it as ONNX."""
    finder.eval()
    torch.onnx.export(
        _Served(finder),
        (torch.zeros((480, 640, 3), dtype=torch.uint8),),
        str(path),
        input_names=["picture"],
        output_names=["words"],
        dynamic_axes={"picture": {0: "rows", 1: "columns"}, "words": {0: "down", 1: "across"}},
        opset_version=17,
        dynamo=False,
    )
