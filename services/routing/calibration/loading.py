"""Reads all calibrations for a policy: at the start, and again when their files have changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.routing.calibration.applying import Calibrations
from services.routing.calibration.document import Calibration
from services.routing.calibration.folder import (
    BY_HASH,
    FOLDER,
    Archive,
    BadCalibration,
    keep_last_good,
    last_good,
    read_all,
)
from services.routing.document import PolicyDocument
from services.runtime.logs import log

_LAST_GOOD = "calibrations_last_good.yml"


class Loader:
    """Called for each reading. The first falls back on what was good last, so that a running mesh starts again on bad files."""

    def __init__(self, config: Path, state_dir: Path, policy: PolicyDocument) -> None:
        """`config`: what comes with the configuration; `moat calibrate` writes below `state_dir`. Neither need exist."""
        self.folders: Sequence[Path] = (config, state_dir / FOLDER)
        self._archive = Archive(state_dir / BY_HASH)
        self._last_good = state_dir / _LAST_GOOD
        self._policy = policy
        self._first = True

    def __call__(self) -> Calibrations:
        """Raises BadCalibration or OSError."""
        first, self._first = self._first, False
        try:
            found = read_all(self.folders)
        except BadCalibration as error:
            if not first or not self._last_good.exists():
                raise
            log.error("calibrations_bad_last_good_used", error=str(error))
            return Calibrations(last_good(self._last_good), self._policy)
        self._keep(found)
        return Calibrations(found, self._policy)

    def _keep(self, found: Sequence[Calibration]) -> None:
        # Before they count: a decision must never name what cannot be found.
        self._archive.keep(found)
        keep_last_good(self._last_good, found)
