"""The programs of a whole mesh, from the topology."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from services.runtime.topology import Topology
from tools.launcher.edge import edge
from tools.launcher.home import ROOT, Home
from tools.launcher.postgres import postgres
from tools.launcher.program import Program
from tools.launcher.python_process import python_environment, python_process, python_step
from tools.launcher.resolve import Document
from tools.launcher.triton import triton
from tools.launcher.valkey import LOG, STATE, valkey


def programs(home: Home, source: Document, topology: Topology, only: Collection[str] = ()) -> list[Program]:
    """All programs, servers first; with `only`, those and what they come after.

    Raises KeyError for a name there is not, and what a server raises that cannot run here, with its remedy.
    """
    entries = source["processes"]
    environment = python_environment(home, entries)
    builders: dict[str, Callable[[], Program]] = {
        "postgres": lambda: postgres(
            topology.postgres,
            home.data / "postgres",
            [python_step(module, environment) for module in migration_modules()],
        ),
        "redis-log": partial(valkey, "redis-log", topology.redis_log, home.data / "redis-log", LOG),
        "redis-state": partial(valkey, "redis-state", topology.redis_state, home.data / "redis-state", STATE),
        "triton": partial(triton, topology, home.data / "triton"),
        **{
            name: partial(python_process, name, entry["module"], entry.get("after", ()), topology, environment)
            for name, entry in entries.items()
        },
        "edge": partial(edge, topology, source["servers"]["edge"]["after"]),
    }
    names = _with_needs(only, source) if only else builders
    return [builders[name]() for name in builders if name in names]


def migration_modules() -> list[str]:
    """Each part that owns tables has `services/<part>/store/migrate.py`."""
    return [
        f"services.{path.parents[1].name}.store.migrate"
        for path in sorted((ROOT / "services").glob("*/store/migrate.py"))
    ]


def _with_needs(only: Collection[str], source: Document) -> set[str]:
    entries: Mapping[str, Document] = source["servers"] | source["processes"]
    found: set[str] = set()
    left = list(only)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += entries[name].get("after", ())
    return found
