"""Every concrete object of the audit service."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from moat.audit.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    decision_log_service_pb2,
    decision_log_service_pb2_grpc,
    evidence_store_service_pb2,
    evidence_store_service_pb2_grpc,
)

from services.audit.evidence.holds import Holds
from services.audit.evidence.keeping import Keeper
from services.audit.evidence.listing import Listing
from services.audit.evidence.opening import open_store
from services.audit.evidence.reading import Reader
from services.audit.evidence.retention import Limits, Retention
from services.audit.evidence.servicer import EvidenceStoreServicer
from services.audit.log.append import DecisionLog
from services.audit.servicer import AuditServicer, DecisionLogServicer
from services.audit.settings import LOG_SHARDS, AuditSettings
from services.audit.store.decisions import Decisions
from services.audit.unsealing import Unsealer
from services.runtime.background import end_tasks
from services.runtime.postgres import open_pool
from services.runtime.process import server_settings
from services.runtime.redis_cluster import open_cluster
from services.runtime.server import Served, Server
from services.runtime.topology import Topology

NAME = "audit"
READER = "moat_audit"
RETENTION = "moat_audit_retention"


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
    worker_pool = open_pool(topology.postgres.url(RETENTION), size=1)
    key, evidence = topology.content_key_file.read_bytes(), settings.evidence
    store = open_store(evidence, topology.process(NAME).state_dir / "evidence")
    decisions = Decisions(pool)
    reader = AuditServicer(
        decisions,
        Unsealer(key),
        (Listing(pool), Reader(pool, store, decisions, key), Holds(pool)),
        read_wait_seconds=settings.read_wait_seconds,
    )
    keeper = EvidenceStoreServicer(Keeper(pool, store, writes=evidence.writes), log)
    limits = Limits(timedelta(seconds=evidence.unnamed_seconds), evidence.sweep_most, evidence.sweep_seconds)
    retention = Retention(worker_pool, store, limits, drained_until=log.drained_until)
    served = [
        Served(
            decision_log_service_pb2.DESCRIPTOR.services_by_name["DecisionLogService"],
            partial(decision_log_service_pb2_grpc.add_DecisionLogServiceServicer_to_server, DecisionLogServicer(log)),
        ),
        Served(
            evidence_store_service_pb2.DESCRIPTOR.services_by_name["EvidenceStoreService"],
            partial(evidence_store_service_pb2_grpc.add_EvidenceStoreServiceServicer_to_server, keeper),
        ),
        Served(
            audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
            partial(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, reader),
        ),
    ]
    task = asyncio.create_task(retention.run())
    try:
        await Server(server_settings(topology, NAME), served, ready=log.ping).run()
    finally:
        await end_tasks([task])
        await cluster.aclose()
        await pool.dispose()
        await worker_pool.dispose()


def check(_topology: Topology, settings: AuditSettings) -> None:
    """What `--check-config` reads beside the settings. Raises OSError for a bucket's secret that cannot be read."""
    bucket = settings.evidence.bucket
    if bucket is not None:
        for secret in (bucket.access_key_file, bucket.secret_key_file, *filter(None, [bucket.ca_file])):
            secret.read_bytes()
