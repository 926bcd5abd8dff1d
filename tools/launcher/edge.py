"""Envoy, with the configuration that the topology makes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.envoy.files import BINARY, check, render
from services.runtime.topology import Edge, Topology
from tools.launcher.files import write_atomically
from tools.launcher.program import Program

_DRAIN_SECONDS = 5.0
_ACTIVE = "http.edge.downstream_rq_active"


def edge(topology: Topology, after: Sequence[str]) -> Program:
    """The program. It does not start with a configuration that Envoy does not like."""
    folder = topology.process("edge").state_dir
    configuration = folder / "envoy.yaml"

    async def prepare() -> None:
        document = render(topology)
        if configuration.exists() and configuration.read_text() == document:
            return
        problem = await asyncio.to_thread(check, document)
        if problem:
            raise ValueError(f"Envoy refuses its configuration: {problem}")
        write_atomically(configuration, document.encode())

    async def probe() -> bool:
        return (await _admin(topology.edge, "GET", "/ready")).startswith(b"HTTP/1.1 200 ")

    async def drain() -> None:
        """No new connections; what has been asked is answered."""
        await _admin(topology.edge, "POST", "/drain_listeners?graceful&skip_exit")
        async with asyncio.timeout(_DRAIN_SECONDS):
            while f"{_ACTIVE}: 0".encode() not in await _admin(topology.edge, "GET", f"/stats?filter={_ACTIVE}"):
                await asyncio.sleep(0.1)

    return Program(
        name="edge",
        command=[
            str(BINARY),
            *("-c", str(configuration), "--log-level", "warning", "--concurrency", "1"),
            *("--disable-hot-restart", "--drain-time-s", "2"),
        ],
        environment={"PATH": "/usr/bin:/bin"},
        probe=probe,
        folder=folder,
        prepare=prepare,
        drain=drain,
        after=after,
    )


async def _admin(edge_: Edge, method: str, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(edge_.host, edge_.admin)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()
