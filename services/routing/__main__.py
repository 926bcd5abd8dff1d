"""`python -m services.routing`; `--check-config` reads and tests the policy too."""

from __future__ import annotations

import sys

from services.routing.settings import RoutingSettings
from services.routing.wiring import check, serve
from services.runtime.process import run_process

if __name__ == "__main__":
    # Checked only on request: a running mesh must start again on its last good policy.
    asked = check if "--check-config" in sys.argv else None
    sys.exit(run_process("routing", RoutingSettings, serve, asked))
