"""What the client was told, and what the record says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from services.runtime.topology import Topology


@dataclass(slots=True)
class Ledger:
    """The client's own book."""

    answered: dict[str, str] = field(default_factory=dict)
    """Decision id → request id, of every answer that came."""
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ledger against record."""

    answered: int
    missing: Sequence[str]
    """Decisions that were answered and are not in the record."""
    doubled: Sequence[str]
    """Decisions whose effect of one kind was applied more than once."""

    @property
    def good(self) -> bool:
        """Nothing lost, nothing twice."""
        return not self.missing and not self.doubled


def reconcile(topology: Topology, ledger: Ledger) -> Verdict:
    """Reads the record as the database's superuser, past row-level security. Call it when the drain has caught up."""
    with psycopg.connect(_conninfo(topology)) as connection:
        rows = connection.execute("select decision_id::text from audit.decisions").fetchall()
        doubled = connection.execute(
            "select decision_id from enforcement.enforcements where decision_id <> '' "
            "group by tenant, environment, decision_id, kind having count(*) > 1"
        ).fetchall()
    kept = {row[0] for row in rows}
    missing = sorted(set(ledger.answered) - kept)
    return Verdict(len(ledger.answered), missing, [row[0] for row in doubled])


def _conninfo(topology: Topology) -> str:
    postgres = topology.postgres
    password = postgres.password_files["postgres"].read_text().strip()
    return f"host={postgres.host} port={postgres.port} user=postgres password={password} dbname={postgres.database}"
