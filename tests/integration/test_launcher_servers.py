"""The servers as the launcher starts them: durable, closed to the outside, and as the topology says."""

from __future__ import annotations

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.runtime.redis_cluster import open_cluster
from services.runtime.topology import Topology
from tools.launcher.control import Mesh
from tools.launcher.database import connection_string
from tools.launcher.secrets import DATABASE_ROLES


@pytest.fixture
def topology(servers: Mesh) -> Topology:
    return Topology.load(servers.home.topology)


async def test_the_log_acknowledges_only_what_is_on_disk(topology: Topology) -> None:
    log = topology.redis_log
    client = open_cluster(log.host, log.port, log.password())
    try:
        live = await client.config_get("appendfsync", target_nodes=client.RANDOM)
        assert live["appendfsync"] == "always"
        assert (await client.config_get("maxmemory-policy", target_nodes=client.RANDOM))[
            "maxmemory-policy"
        ] == "noeviction"
    finally:
        await client.aclose()


@pytest.mark.parametrize("name", ["redis_log", "redis_state"])
def test_a_command_across_slots_fails_here_as_in_production(topology: Topology, name: str) -> None:
    server = getattr(topology, name)
    client = redis.Redis(host=server.host, port=server.port, password=server.password())
    with client, pytest.raises(redis.exceptions.ClusterCrossSlotError):
        client.mget("one", "other")


@pytest.mark.parametrize("name", ["redis_log", "redis_state"])
def test_nobody_gets_in_without_the_password(topology: Topology, name: str) -> None:
    server = getattr(topology, name)
    once = Retry(NoBackoff(), 0)
    with (
        redis.Redis(host=server.host, port=server.port, retry=once) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.get("anything")


@pytest.mark.parametrize("role", [role for role in DATABASE_ROLES if role != "postgres"])
def test_no_role_of_ours_may_step_over_row_level_security(topology: Topology, role: str) -> None:
    with psycopg.connect(connection_string(topology.postgres, role)) as connection:
        row = connection.execute(
            "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
        ).fetchone()
    assert row == (False, False, False, False)


def test_postgres_asks_for_passwords(topology: Topology) -> None:
    server = topology.postgres
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=server.host, port=server.port, user="moat_audit", password="wrong", dbname=server.database)


def test_postgres_waits_for_the_disk(topology: Topology) -> None:
    with psycopg.connect(connection_string(topology.postgres, "moat_audit")) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            row = connection.execute("select current_setting(%s)", [setting]).fetchone()
            assert row == ("on",), setting
