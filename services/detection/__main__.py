"""`python -m services.detection`; `--check-config` reads banks, term lists and detectors too."""

from __future__ import annotations

import sys

from services.detection.files import check
from services.detection.settings import DetectionSettings
from services.detection.wiring import serve
from services.runtime.process import run_process

if __name__ == "__main__":
    # Checked only on request: reading large banks twice would make every start slower.
    asked = check if "--check-config" in sys.argv else None
    sys.exit(run_process("detection", DetectionSettings, serve, asked))
