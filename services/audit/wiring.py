"""Every concrete object of the audit service."""

from __future__ import annotations

from functools import partial

from moat.audit.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    decision_log_service_pb2,
    decision_log_service_pb2_grpc,
)

from services.audit.log.append import DecisionLog
from services.audit.servicer import AuditServicer, DecisionLogServicer
from services.audit.settings import LOG_SHARDS, AuditSettings
from services.audit.store.decisions import Decisions
from services.audit.unsealing import Unsealer
from services.runtime.postgres import open_pool
from services.runtime.process import server_settings
from services.runtime.redis_cluster import open_cluster
from services.runtime.server import Served, Server
from services.runtime.topology import Topology

READER = "moat_audit"


async def serve(topology: Topology, settings: AuditSettings) -> None:
    """Runs until SIGTERM."""
    redis = topology.redis_log
    cluster = open_cluster(redis.host, redis.port, redis.password())
    log = DecisionLog(
        cluster,
        shards=LOG_SHARDS,
        remember_seconds=settings.remember_seconds,
        longest_backlog=settings.longest_backlog,
    )
    pool = open_pool(topology.postgres.url(READER), size=settings.read_pool)
    reader = AuditServicer(
        Decisions(pool),
        Unsealer(topology.content_key_file.read_bytes()),
        read_wait_seconds=settings.read_wait_seconds,
    )
    served = [
        Served(
            decision_log_service_pb2.DESCRIPTOR.services_by_name["DecisionLogService"],
            partial(decision_log_service_pb2_grpc.add_DecisionLogServiceServicer_to_server, DecisionLogServicer(log)),
        ),
        Served(
            audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
            partial(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, reader),
        ),
    ]
    try:
        await Server(server_settings(topology, "audit"), served, ready=log.ping).run()
    finally:
        await cluster.aclose()
        await pool.dispose()
