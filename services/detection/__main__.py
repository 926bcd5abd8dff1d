"""`python -m services.detection`."""

from __future__ import annotations

import sys

from services.detection.settings import DetectionSettings
from services.detection.wiring import serve
from services.runtime.process import run_process

if __name__ == "__main__":
    sys.exit(run_process("detection", DetectionSettings, serve))
