"""A client of the local mesh, with a token of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from moat_client import Moat, MoatError

from services.runtime.topology import Topology
from tools.cli.failure import Failure
from tools.cli.traces import client_spans
from tools.launcher.home import Home
from tools.launcher.tokens import mint


def local_topology() -> Topology:
    """The running (or last) mesh of MOAT_HOME. Raises Failure."""
    file = Home.default().topology
    try:
        return Topology.load(file)
    except OSError:
        raise Failure("there is no mesh here yet; start one with `make up`") from None
    except ValueError:
        raise Failure(f"{file} is of another version of Moat; `make down` and `make up` write it anew") from None


def running_topology() -> Topology:
    """The running mesh of MOAT_HOME. Raises Failure."""
    topology = local_topology()
    if not Home.default().supervisor():
        raise Failure("the mesh is down; start it with `make up`")
    return topology


def explained(error: MoatError) -> Failure:
    """What the mesh answered, for people."""
    if error.is_outage:
        return Failure(f"the mesh does not answer ({error.message}); `moat status` shows what is wrong")
    return Failure(f"{error.reason}: {error.message}")


@asynccontextmanager
async def open_client(
    topology: Topology,
    *,
    tenant: str,
    roles: tuple[str, ...],
    environment: str = "production",
    timeout: float = 5.0,  # noqa: ASYNC109 - the mesh's deadline too
) -> AsyncIterator[Moat]:
    """Signed in as `local`; decisions' traces begin here."""

    def token() -> str:
        return mint(topology.tokens, tenant=tenant, environment=environment, roles=roles)

    spans = client_spans(topology)
    try:
        async with Moat(
            f"localhost:{topology.edge.port}",
            token=token,
            ca_file=topology.edge.ca_file,
            timeout=timeout,
            tracer_provider=spans,
        ) as moat:
            yield moat
    finally:
        await asyncio.to_thread(spans.shutdown)
