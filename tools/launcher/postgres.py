"""PostgreSQL from its package: initialised at first start, never as root, migrated before anybody relies on it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import psycopg

from services.runtime.topology import Postgres
from tools.launcher.database import connection_string, ensure_database
from tools.launcher.ports import LOOPBACK
from tools.launcher.postgres_files import ENVIRONMENT, PostgresFiles
from tools.launcher.program import Program, Step

_SETTINGS = {
    # Small: the whole mesh shares two and a half gigabytes and two cores.
    "shared_buffers": "64MB",
    "max_connections": "60",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # Durable, but for one node: nothing is replicated from here.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "max_wal_size": "512MB",
    # Rows, which hold what people wrote, do not belong into logs.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_min_messages": "warning",
    "logging_collector": "off",
}


def postgres(topology: Postgres, folder: Path, migrations: Sequence[Step]) -> Program:
    """The program; `folder` holds its data. `migrations` run in order when it is up for the first time."""
    files = PostgresFiles.choose(folder)
    probe = _Probe(topology)

    async def prepare() -> None:
        await asyncio.to_thread(files.prepare, topology.password_files["postgres"].read_text())

    async def settle() -> None:
        await asyncio.to_thread(ensure_database, topology)
        for migrate in migrations:
            await migrate()

    return Program(
        name="postgres",
        command=[
            str(files.binaries / "postgres"),
            *("-D", str(files.data), "-h", LOOPBACK, "-p", str(topology.port)),
            # No unix socket: its path has a length limit, and nobody here uses it.
            *("-k", ""),
            *(f"-c{name}={value}" for name, value in _SETTINGS.items()),
        ],
        environment=ENVIRONMENT,
        probe=probe,
        folder=Path("/"),
        prepare=prepare,
        settle=settle,
        account=files.account,
        # Ends at once and in order, without waiting for sessions.
        stop_signal=signal.SIGINT,
    )


class _Probe:
    """Keeps one connection: signing in costs milliseconds of hashing."""

    def __init__(self, topology: Postgres) -> None:
        self._topology = topology
        self._connection: psycopg.AsyncConnection | None = None

    async def __call__(self) -> bool:
        try:
            if self._connection is None:
                self._connection = await psycopg.AsyncConnection.connect(
                    connection_string(self._topology, "postgres"), connect_timeout=2, autocommit=True
                )
            await self._connection.execute("select 1")
        except BaseException:
            if self._connection is not None:
                await self._connection.close()
            self._connection = None
            raise
        return True
