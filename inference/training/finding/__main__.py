"""`python -m inference.training.finding [--fonts FOLDER]`: makes pictures, trains the finder, exports it to ONNX. Some 15 minutes
on one core. The fonts that the published weights saw are named in the model's card."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from inference.rendering.lettering import fonts_in
from inference.training.finding.network import Finder, export
from inference.training.finding.pictures import CELL, SIDE, UNKNOWN, picture

_MODEL = Path(__file__).resolve().parents[2] / "model_repository" / "image_text_find" / "1" / "model.onnx"
_PICTURES, _HELD, _STEPS, _BATCH = 7000, 600, 2500, 16
_FIRST, _FIRST_HELD = 1_000_000, 9_000_000
_RATE = 4e-3
_TOO_THIN = ("MathTeX", "Hairline", "Thin")


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="inference.training.finding", description=__doc__)
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"))
    fonts = [path for path in fonts_in(parser.parse_args().fonts) if not any(part in path.name for part in _TOO_THIN)]
    torch.set_num_threads(1)
    torch.manual_seed(7)
    model = Finder()
    _train(model, *_made(fonts, _FIRST, _PICTURES))
    _report(model, *_made(fonts, _FIRST_HELD, _HELD))
    export(model, _MODEL)
    return 0


def _made(fonts: list[Path], first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.empty((count, SIDE, SIDE, 3), dtype=np.uint8)
    squares = np.empty((count, SIDE // CELL, SIDE // CELL), dtype=np.uint8)
    for number in range(count):
        pixels[number], squares[number] = picture(first + number, fonts)
    print(f"{count} pictures, letters in {np.mean((squares == 1).any(axis=(1, 2))):.0%}", flush=True)
    return pixels, squares


def _train(model: Finder, pixels: np.ndarray, squares: np.ndarray) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=_STEPS, pct_start=0.1)
    chance, order, began = np.random.default_rng(1), np.empty(0, dtype=int), time.monotonic()
    for step in range(_STEPS):
        if len(order) < _BATCH:
            order = chance.permutation(len(pixels))
        chosen, order = np.sort(order[:_BATCH]), order[_BATCH:]
        image = torch.from_numpy(pixels[chosen]).permute(0, 3, 1, 2).float()
        wanted = torch.from_numpy(squares[chosen])
        image, wanted = _varied(chance, image, wanted)
        known, letters = (wanted != UNKNOWN).float(), (wanted == 1).float()
        loss = nn.functional.binary_cross_entropy_with_logits(
            model(image), letters, weight=known * (1 + 2 * letters), reduction="sum"
        )
        optimiser.zero_grad()
        (loss / known.sum()).backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"{step} of {_STEPS}, {time.monotonic() - began:.0f} s, loss {loss / known.sum():.4f}", flush=True)


def _varied(
    chance: np.random.Generator, image: torch.Tensor, wanted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirrored, inverted, without colours: letters are letters all the same."""
    if chance.random() < 0.5:  # noqa: PLR2004 - half
        image, wanted = image.flip(3), wanted.flip(2)
    if chance.random() < 0.3:  # noqa: PLR2004 - a third
        image = 255 - image
    if chance.random() < 0.3:  # noqa: PLR2004 - a third
        image = image.mean(1, keepdim=True).expand(-1, 3, -1, -1).contiguous()
    return image, wanted


def _report(model: Finder, pixels: np.ndarray, squares: np.ndarray) -> None:
    model.eval()
    with torch.no_grad():
        parts = [
            torch.sigmoid(model(torch.from_numpy(pixels[start : start + 20]).permute(0, 3, 1, 2).float())).numpy()
            for start in range(0, len(pixels), 20)
        ]
    likely = np.concatenate(parts)
    with_letters, without = (squares == 1).any(axis=(1, 2)), ~(squares >= 1).any(axis=(1, 2))
    for bound in (0.05, 0.1, 0.2, 0.3, 0.5):
        found = (likely > bound).any(axis=(1, 2))
        print(
            f"from {bound}: {np.mean(likely[squares == 1] > bound):.4f} of squares with letters, "
            f"{np.mean(likely[squares == 0] > bound):.5f} without; "
            f"{np.mean(found[with_letters]):.4f} of pictures with letters, {np.mean(found[without]):.4f} without",
            flush=True,
        )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main())
