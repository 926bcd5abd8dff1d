"""`python -m services.enforcement`."""

from __future__ import annotations

import sys

from services.enforcement.settings import EnforcementSettings
from services.enforcement.wiring import serve
from services.runtime.process import run_process

if __name__ == "__main__":
    sys.exit(run_process("enforcement", EnforcementSettings, serve))
