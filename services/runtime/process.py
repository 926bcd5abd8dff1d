"""How a process of the mesh starts: arguments, topology, settings, logs, metrics, then its own `serve`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import uvloop
import yaml
from pydantic import ValidationError

from services.runtime.clients import open_channel
from services.runtime.logs import configure_logs
from services.runtime.metrics import serve_metrics
from services.runtime.server import ServerSettings
from services.runtime.settings import SettingsT, load_settings
from services.runtime.topology import Topology

CONFIG_ERROR = 78
"""EX_CONFIG of sysexits.h: starting again will not help."""


def run_process(
    name: str,
    model: type[SettingsT],
    serve: Callable[[Topology, SettingsT], Awaitable[None]],
    check: Callable[[Topology, SettingsT], None] | None = None,
) -> int:
    """Runs process `name` until it is told to stop; returns the exit code.

    With `--check-config` it only reads everything that it would start with (`check` adds the part's own documents), and
    says what is wrong. Bad config stops the start with CONFIG_ERROR.
    """
    parser = argparse.ArgumentParser(prog=f"moat {name}")
    parser.add_argument("--check-config", action="store_true", help="read the configuration, say what is wrong, end")
    arguments = parser.parse_args()
    try:
        topology = Topology.load()
        settings = load_settings(model, topology.process(name).settings)
        if check is not None:
            check(topology, settings)
    except (ValidationError, ValueError, KeyError, OSError) as error:
        sys.stderr.write(f"{name}: bad configuration: {error}\n")
        return CONFIG_ERROR
    if arguments.check_config:
        return 0
    configure_logs(name)
    if topology.process(name).metrics_port:
        serve_metrics(topology.process(name).metrics_port)
    # What exists now lives for ever: do not let every collection walk over it (it shows in p99).
    gc.collect()
    gc.freeze()
    # What lives now is what is in flight, and dies by itself: looking through it every 700 objects costs a tenth of all.
    gc.set_threshold(20_000, 20, 20)
    # A line costs an event loop hundreds of callbacks: with uvloop's the mesh does a fifth more (`make bench`).
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(serve(topology, settings)))
    return 0


async def _run(serving: Awaitable[None]) -> None:
    await serving


def server_settings(topology: Topology, name: str) -> ServerSettings:
    """How process `name` serves."""
    process = topology.process(name)
    return ServerSettings(
        address=process.address,
        ca_file=topology.ca_file,
        certificate_file=process.certificate_file,
        key_file=process.key_file,
        trust_domain=topology.trust_domain,
        callers={caller: frozenset(held) for caller, held in process.callers.items()},
        roles=load_roles(topology.roles_file),
    )


def load_roles(path: Path) -> dict[str, frozenset[str]]:
    """Permissions by role."""
    return {role: frozenset(held) for role, held in yaml.safe_load(path.read_text()).items()}


def channel_to(topology: Topology, peer: str, *, me: str) -> grpc.aio.Channel:
    """A channel from process `me` to process `peer`, which must prove its name."""
    own = topology.process(me)
    return open_channel(
        topology.process(peer).address,
        server_name=f"{peer}.{topology.trust_domain}",
        ca_file=topology.ca_file,
        certificate_file=own.certificate_file,
        key_file=own.key_file,
    )
