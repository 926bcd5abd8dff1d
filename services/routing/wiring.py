"""Every concrete object of the routing service."""

from __future__ import annotations

from functools import partial

from moat.routing.v1 import routing_service_pb2, routing_service_pb2_grpc

from services.routing.loading import load, load_or_last_good
from services.routing.servicer import RoutingServicer
from services.routing.settings import RoutingSettings
from services.runtime.process import server_settings
from services.runtime.server import Served, Server
from services.runtime.topology import Topology


def check(topology: Topology, settings: RoutingSettings) -> None:
    """For --check-config: the policy as it stands in the file. Raises BadPolicy."""
    load(topology.policies_dir / settings.policy)


async def serve(topology: Topology, settings: RoutingSettings) -> None:
    """Runs until SIGTERM."""
    policy = load_or_last_good(topology.policies_dir / settings.policy, topology.process("routing").state_dir)
    served = Served(
        routing_service_pb2.DESCRIPTOR.services_by_name["RoutingService"],
        partial(routing_service_pb2_grpc.add_RoutingServiceServicer_to_server, RoutingServicer(policy)),
    )
    await Server(server_settings(topology, "routing"), [served]).run()
