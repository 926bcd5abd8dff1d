"""`python -m services.enforcement.store.migrate`: brings the schema `enforcement` to its newest version."""

from __future__ import annotations

from pathlib import Path

from services.runtime.migrations import OWNER, upgrade
from services.runtime.topology import Topology

if __name__ == "__main__":
    upgrade(Topology.load().postgres.url(OWNER), "enforcement", Path(__file__).parent / "migrations")
