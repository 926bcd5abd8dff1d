"""The database and its roles, none of which may step over row-level security."""

from __future__ import annotations

import psycopg
from psycopg import sql

from services.runtime.topology import Postgres
from tools.launcher.secrets import DATABASE_ROLES, OWNER, SUPERUSER

_RIGHTS = sql.SQL("login nosuperuser nobypassrls nocreatedb nocreaterole noreplication")


def ensure_database(topology: Postgres) -> None:
    """Makes what is missing and sets the passwords anew, as its superuser. Raises psycopg.Error."""
    with psycopg.connect(connection_string(topology, SUPERUSER), autocommit=True) as connection:
        roles = {row[0] for row in connection.execute("select rolname from pg_roles")}
        for role in DATABASE_ROLES:
            if role == SUPERUSER:
                continue
            verb = sql.SQL("alter role" if role in roles else "create role")
            password = sql.Literal(topology.password_files[role].read_text().strip())
            connection.execute(sql.SQL(" ").join((verb, sql.Identifier(role), _RIGHTS, sql.SQL("password"), password)))
        database = sql.Identifier(topology.database)
        if not connection.execute("select 1 from pg_database where datname = %s", [topology.database]).fetchone():
            connection.execute(sql.SQL("create database {} owner {}").format(database, sql.Identifier(OWNER)))
        connection.execute(sql.SQL("revoke all on database {} from public").format(database))
        for role in DATABASE_ROLES:
            if role != SUPERUSER:
                connection.execute(sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(role)))


def connection_string(topology: Postgres, role: str) -> str:
    """libpq's, for a role; the superuser signs in to its own database."""
    password = topology.password_files[role].read_text().strip()
    database = SUPERUSER if role == SUPERUSER else topology.database
    return f"host={topology.host} port={topology.port} user={role} password={password} dbname={database}"
