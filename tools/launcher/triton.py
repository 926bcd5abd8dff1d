"""Triton with our model repository."""

from __future__ import annotations

import asyncio
from pathlib import Path

from inference.server import REPOSITORY, TritonLayout, TritonPorts
from services.runtime.topology import Topology
from tools.launcher.home import ENVIRONMENTS
from tools.launcher.program import Program
from tools.launcher.triton_health import TritonHealth
from tools.launcher.triton_stubs import StubWatch


def triton(topology: Topology, folder: Path) -> Program:
    """The program; `folder` holds its backends. Raises UnusableEnvironment, which names what is missing and a cure."""
    environment = ENVIRONMENTS / "triton"
    server, collector, share = topology.triton, topology.collector, topology.traces.keep_share
    repository = server.repository or REPOSITORY
    layout = TritonLayout.prepare(folder, environment, repository)
    command, variables = layout.command(
        TritonPorts(grpc=server.grpc, http=server.http, metrics=server.metrics),
        otlp_http=f"http://{collector.host}:{collector.otlp_http}" if share else "",
        trace_rate=round(1 / share) if share else 1,
    )
    health = TritonHealth(server)

    async def prepare() -> None:
        await asyncio.to_thread(TritonLayout.prepare, folder, environment, repository)

    return Program(
        name="triton",
        command=command,
        environment=variables,
        probe=health.probe,
        folder=folder,
        prepare=prepare,
        heal=health.heal,
        hopeless=StubWatch(models=len(list(layout.repository.glob("*/config.pbtxt")))).hopeless,
    )
