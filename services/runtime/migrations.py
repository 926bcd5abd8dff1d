"""Runs a part's Alembic migrations as the tables' owner. Each part has a schema and a version table of its own."""

from __future__ import annotations

from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import create_engine, pool, text

OWNER = "moat_owner"


def upgrade(url: str, schema: str, folder: Path) -> None:
    """Brings `schema` to its newest version. `folder` holds env.py and versions/. Safe to repeat, and twice at once."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["url"] = url
    config.attributes["schema"] = schema
    command.upgrade(config, "head")


def run_env() -> None:
    """What every part's env.py does."""
    attributes = context.config.attributes
    schema = attributes["schema"]
    engine = create_engine(attributes["url"], poolclass=pool.NullPool)
    with engine.begin() as connection:
        # One migration of a schema at a time, however many start.
        connection.execute(text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate:{schema}"})
        connection.execute(text(f'create schema if not exists "{schema}"'))
        context.configure(connection=connection, version_table="schema_version", version_table_schema=schema)
        context.run_migrations()
    engine.dispose()
