"""`python -m services.context`."""

from __future__ import annotations

import sys

from services.context.settings import ContextSettings
from services.context.wiring import serve
from services.runtime.process import run_process

if __name__ == "__main__":
    sys.exit(run_process("context", ContextSettings, serve))
