"""Calibrations as files: `TENANT/ENVIRONMENT/SURFACE.yaml` in a folder, and each that ever counted by its hash in another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from services.routing.calibration.document import Calibration

FOLDER = "calibrations"
"""In the state folder of the routing service: what `moat calibrate` wrote."""
BY_HASH = "calibrations_by_hash"
"""Beside it: what decisions name, for as long as decisions are kept."""
_HASH_DIGITS = 64


class BadCalibration(ValueError):
    """A calibration that cannot be used; the message names the file and what is wrong."""


def read(path: Path) -> Calibration:
    """One file. Raises BadCalibration."""
    try:
        return Calibration.model_validate(yaml.safe_load(path.read_bytes()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise BadCalibration(f"{path}: {error}") from None


def read_all(folders: Iterable[Path]) -> list[Calibration]:
    """All files of some folders, which need not exist. Raises BadCalibration, also for two files of one name."""
    found: dict[str, tuple[Path, Calibration]] = {}
    for path in (path for folder in folders for path in sorted(folder.rglob("*.yaml"))):
        one = read(path)
        if one.name in found:
            raise BadCalibration(f"{path}: {one.name} is calibrated in {found[one.name][0]} too; remove one of them")
        found[one.name] = (path, one)
    return [one for _, one in found.values()]


def write(folder: Path, calibration: Calibration) -> Path:
    """Replaces the calibration of the same name; whoever reads meanwhile sees the old one or the new one, whole."""
    path = folder / calibration.tenant / calibration.environment / f"{calibration.surface}.yaml"
    _replace(path, calibration)
    return path


class Archive:
    """Calibrations by their hash, none of which is ever deleted or changed."""

    def __init__(self, folder: Path) -> None:
        """The folder need not exist."""
        self._folder = folder

    def keep(self, calibrations: Iterable[Calibration]) -> None:
        """Adds what is not there yet. Raises OSError."""
        for one in calibrations:
            path = self._path(one.content_hash)
            if not path.exists():
                _replace(path, one)

    def find(self, content_hash: str) -> Calibration:
        """The one that a decision names, by the part after the `@`. Raises BadCalibration."""
        if len(content_hash) != _HASH_DIGITS or not content_hash.isalnum():
            raise BadCalibration(f"{content_hash!r} is no hash of a calibration: it has {_HASH_DIGITS} hex digits")
        path = self._path(content_hash)
        if not path.exists():
            raise BadCalibration(f"no calibration {content_hash} was ever in force here ({self._folder})")
        return read(path)

    def _path(self, content_hash: str) -> Path:
        return self._folder / f"{content_hash}.yaml"


def last_good(path: Path) -> list[Calibration]:
    """What `keep_last_good` kept. Raises BadCalibration."""
    try:
        documents = yaml.safe_load(path.read_bytes())
        return [Calibration.model_validate(one) for one in documents]
    except (OSError, yaml.YAMLError, ValidationError, TypeError) as error:
        raise BadCalibration(f"{path}: {error}") from None


def keep_last_good(path: Path, calibrations: Sequence[Calibration]) -> None:
    """For a start on files that have gone bad. Raises OSError."""
    _replace_text(path, yaml.safe_dump([one.model_dump(mode="json") for one in calibrations], sort_keys=False))


def _replace(path: Path, calibration: Calibration) -> None:
    _replace_text(path, yaml.safe_dump(calibration.model_dump(mode="json"), sort_keys=False, default_flow_style=None))


def _replace_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not `.yaml`: nobody shall take half of it for a calibration.
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    temporary.replace(path)
