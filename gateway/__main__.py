"""`python -m gateway`."""

from __future__ import annotations

import sys

from gateway.settings import GatewaySettings
from gateway.wiring import NAME, check, serve
from services.runtime.process import run_process

if __name__ == "__main__":
    sys.exit(run_process(NAME, GatewaySettings, serve, check))
