"""`python -m services.audit`: the commit point and the reading of the record."""

from __future__ import annotations

import sys

from services.audit.settings import AuditSettings
from services.audit.wiring import check, serve
from services.runtime.process import run_process

if __name__ == "__main__":
    sys.exit(run_process("audit", AuditSettings, serve, check))
