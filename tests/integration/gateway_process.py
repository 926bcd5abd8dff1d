"""The gateway as a process of its own, among the fake peers of its contract tests."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from moat.moderation.v1 import moderation_service_pb2_grpc

from services.runtime.topology import VARIABLE
from tests.contract.gateway.fake_mesh import FakeMesh

ROOT = Path(__file__).resolve().parents[2]


class ProcessMesh(FakeMesh):
    """`start_gateway` and `stop_gateway` start and stop a process; `kill_gateway` is what it says."""

    async def start_gateway(self) -> None:
        self._port = self.free_port()
        topology = self.topology(gateway_port=self._port, settings=self.settings)
        path = self.state / "topology.json"
        path.write_text(topology.model_dump_json())
        with (self.state / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                [sys.executable, "-m", "gateway"], cwd=ROOT, env={**os.environ, VARIABLE: str(path)}, stderr=log
            )
        self.channel = self.open_channel()
        self.stub = moderation_service_pb2_grpc.ModerationServiceStub(self.channel)
        await asyncio.wait_for(self.channel.channel_ready(), 30)

    async def stop_gateway(self) -> None:
        await self.channel.close(None)
        self.process.terminate()
        assert await asyncio.to_thread(self.process.wait, 30) == 0

    async def kill_gateway(self) -> None:
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        await self.channel.close(None)
