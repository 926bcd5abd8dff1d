"""Every concrete object of the enforcement service."""

from __future__ import annotations

import asyncio
from functools import partial

import yaml
from moat.enforcement.v1 import (
    effect_service_pb2,
    effect_service_pb2_grpc,
    enforcement_service_pb2,
    enforcement_service_pb2_grpc,
)
from redis.asyncio.cluster import RedisCluster

from services.audit.log import keys
from services.enforcement.desk import Desk
from services.enforcement.servicer import EffectServicer, EnforcementServicer
from services.enforcement.settings import EnforcementSettings
from services.enforcement.store.enforcements import Enforcements
from services.enforcement.store.restrictions import Restrictions
from services.enforcement.worker import CacheKeeper, IntentWorker
from services.runtime.background import end_tasks
from services.runtime.postgres import open_pool
from services.runtime.process import server_settings
from services.runtime.redis_cluster import open_cluster
from services.runtime.server import Served, Server
from services.runtime.stream_group import StreamGroup
from services.runtime.topology import Redis, Topology

OWN, WORKER = "moat_enforcement", "moat_enforcement_worker"


async def serve(topology: Topology, settings: EnforcementSettings) -> None:
    """Runs until SIGTERM."""
    state, log = _open(topology.redis_state), _open(topology.redis_log)
    own = open_pool(topology.postgres.url(OWN), size=settings.pool)
    worker = open_pool(topology.postgres.url(WORKER), size=settings.pool)
    enforcements = Enforcements(own, worker)
    restrictions = Restrictions(state, shards=settings.state_shards)
    desk = Desk(enforcements, restrictions)
    group = StreamGroup(
        log,
        [keys.intents(number) for number in range(settings.log_shards)],
        group="enforcement",
        consumer=settings.consumer,
        abandoned_seconds=15,
    )
    tenants = sorted(yaml.safe_load(topology.tenants_file.read_text()))
    background = [
        asyncio.create_task(IntentWorker(group, desk, idle_seconds=settings.idle_seconds).run()),
        asyncio.create_task(CacheKeeper(desk, restrictions, tenants, seconds=settings.repair_seconds).run()),
    ]
    served = [
        Served(
            enforcement_service_pb2.DESCRIPTOR.services_by_name["EnforcementService"],
            partial(
                enforcement_service_pb2_grpc.add_EnforcementServiceServicer_to_server,
                EnforcementServicer(desk, restrictions),
            ),
        ),
        Served(
            effect_service_pb2.DESCRIPTOR.services_by_name["EffectService"],
            partial(effect_service_pb2_grpc.add_EffectServiceServicer_to_server, EffectServicer(desk, restrictions)),
        ),
    ]
    try:
        await Server(server_settings(topology, "enforcement"), served, ready=enforcements.ping).run()
    finally:
        await end_tasks(background)
        for cluster in (state, log):
            await cluster.aclose()
        for pool in (own, worker):
            await pool.dispose()


def _open(redis: Redis) -> RedisCluster:
    return open_cluster(redis.host, redis.port, redis.password())
