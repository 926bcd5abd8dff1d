"""A process of ours: `python -m MODULE`, asked for its health as any client would, over mTLS."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime.process import channel_to
from services.runtime.topology import VARIABLE, Topology
from tools.launcher.home import ROOT, Home
from tools.launcher.program import Program, Step

LAUNCHER = "launcher"
"""Whose certificate the probes show."""
_PASSED_ON = ("LANG", "LC_ALL", "TZ")
_PATHS = (ROOT, ROOT / "gen", ROOT / "clients" / "python")
_HEALTH_SECONDS = 2.0


def python_environment(home: Home, processes: Sequence[str]) -> dict[str, str]:
    """What our processes see: the topology, our code, few threads, and settings given as `<PART>_…` variables."""
    prefixes = tuple(f"{name.partition('-')[0].upper()}_" for name in processes)
    passed = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(prefixes)}
    return {
        **passed,
        "PATH": "/usr/bin:/bin",
        VARIABLE: str(home.topology),
        "PYTHONPATH": os.pathsep.join(str(path) for path in _PATHS),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        # Two cores, a dozen processes: a pool of threads in each would only get in the others' way.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def python_process(
    name: str, module: str, after: Sequence[str], topology: Topology, environment: Mapping[str, str]
) -> Program:
    """The program."""
    return Program(
        name=name,
        command=[sys.executable, "-m", module],
        environment=environment,
        probe=_Health(topology, name),
        folder=ROOT,
        after=after,
    )


def python_step(module: str, environment: Mapping[str, str]) -> Step:
    """Runs `python -m MODULE` to its end; raises RuntimeError with what it said when it fails."""

    async def step() -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            cwd=ROOT,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{module} failed:\n{output.decode(errors='replace')}")

    return step


class _Health:
    """Keeps one channel: a probe must cost next to nothing."""

    def __init__(self, topology: Topology, name: str) -> None:
        self._topology = topology
        self._name = name
        self._stub: health_pb2_grpc.HealthStub | None = None

    async def __call__(self) -> bool:
        if self._stub is None:
            self._stub = health_pb2_grpc.HealthStub(channel_to(self._topology, self._name, me=LAUNCHER))
        try:
            answer = await self._stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise ConnectionError(f"{error.code().name}: {error.details()}") from None
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
