"""Every concrete object of the context service."""

from __future__ import annotations

from functools import partial

from moat.context.v1 import context_service_pb2, context_service_pb2_grpc

from services.context.servicer import ContextServicer
from services.context.settings import ContextSettings
from services.context.windows import Windows
from services.runtime.process import server_settings
from services.runtime.redis_cluster import open_cluster
from services.runtime.server import Served, Server
from services.runtime.topology import Topology


async def serve(topology: Topology, settings: ContextSettings) -> None:
    """Runs until SIGTERM."""
    redis = topology.redis_state
    cluster = open_cluster(redis.host, redis.port, redis.password(), timeout_seconds=settings.timeout_seconds)
    windows = Windows(cluster, shards=settings.state_shards)
    served = Served(
        context_service_pb2.DESCRIPTOR.services_by_name["ContextService"],
        partial(context_service_pb2_grpc.add_ContextServiceServicer_to_server, ContextServicer(windows)),
    )
    try:
        await Server(server_settings(topology, "context"), [served], ready=windows.ping).run()
    finally:
        await cluster.aclose()
