"""Turns `config/topology.yaml` into the resolved topology of one home: free ports, secrets, folders, all as paths and
numbers that processes can use as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from services.runtime.topology import Topology
from tools.launcher.files import write_atomically
from tools.launcher.home import ROOT, Home
from tools.launcher.ports import Ports
from tools.launcher.secrets import DATABASE_ROLES, ensure_secrets, password_file

SOURCE = ROOT / "config" / "topology.yaml"
EXTRA_IDENTITIES = ("edge", "launcher")
"""Processes that need a certificate and are not ours to run as Python modules."""
Document = dict[str, Any]


def read_source(path: Path = SOURCE) -> Document:
    """The file as it stands. Raises OSError, yaml.YAMLError."""
    document: Document = yaml.safe_load(path.read_text())
    return document


def resolve(home: Home, source: Document, ports: Ports) -> Topology:
    """Makes folders and secrets, finds ports, writes `run/topology.json` and returns it.

    Call it with the home's lock held, and keep `ports` for as long as the mesh runs. Raises KeyError, ValueError for a
    source that says too little or too much.
    """
    home.make()
    ensure_secrets(home.secrets, [*source["processes"], *EXTRA_IDENTITIES], source["trust_domain"])
    topology = Topology.model_validate(_document(home, source, ports, _earlier(home)))
    write_atomically(home.topology, topology.model_dump_json(indent=1).encode())
    return topology


def _earlier(home: Home) -> Document:
    """The ports of the last start are asked for first: clients know them."""
    try:
        earlier: Document = json.loads(home.topology.read_bytes())
    except (OSError, ValueError):
        return {}
    return earlier


def _document(home: Home, source: Document, ports: Ports, earlier: Document) -> Document:
    def port(preferred: int, *path: str) -> int:
        found: Any = earlier
        for key in path:
            found = found.get(key, {}) if isinstance(found, dict) else {}
        return ports.pick(found if isinstance(found, int) and found else preferred)

    servers = source["servers"]
    secrets = home.secrets
    collector, edge, triton = servers["collector"], servers["edge"], servers["triton"]
    return {
        "trust_domain": source["trust_domain"],
        "ca_file": secrets / "ca.pem",
        "redis_log": {
            "port": port(servers["redis-log"]["port"], "redis_log", "port"),
            "bus_port": port(servers["redis-log"]["bus_port"], "redis_log", "bus_port"),
            "password_file": password_file(secrets, "redis-log"),
        },
        "redis_state": {
            "port": port(servers["redis-state"]["port"], "redis_state", "port"),
            "bus_port": port(servers["redis-state"]["bus_port"], "redis_state", "bus_port"),
            "password_file": password_file(secrets, "redis-state"),
        },
        "postgres": {
            "port": port(servers["postgres"]["port"], "postgres", "port"),
            "database": "moat",
            "password_files": {role: password_file(secrets, role) for role in DATABASE_ROLES},
        },
        "triton": {
            **{name: port(triton[name], "triton", name) for name in ("grpc", "http", "metrics")},
            "repository": triton.get("repository"),
        },
        "collector": {name: port(collector[name], "collector", name) for name in ("otlp_grpc", "otlp_http", "page")},
        "edge": {
            "port": port(edge["port"], "edge", "port"),
            "admin": port(edge["admin"], "edge", "admin"),
            "ca_file": secrets / "ca.pem",
            "origins": edge.get("origins", []),
        },
        "tokens": {
            **source["tokens"],
            "jwks_file": secrets / "jwks.json",
            "signing_key_file": secrets / "tokens.key",
        },
        "traces": source.get("traces", {}),
        "content_key_file": secrets / "content.key",
        "tenants_file": ROOT / "config" / "tenants.yaml",
        "roles_file": ROOT / "config" / "roles.yaml",
        "policies_dir": ROOT / "config" / "policies",
        "processes": {
            name: {
                **_identity(home, name),
                "port": port(entry["port"], "processes", name, "port"),
                "metrics_port": port(entry["metrics_port"], "processes", name, "metrics_port"),
                "callers": entry.get("callers", {}),
                "settings": entry.get("settings", {}),
            }
            for name, entry in source["processes"].items()
        }
        | {name: _identity(home, name) for name in EXTRA_IDENTITIES},
    }


def _identity(home: Home, name: str) -> Document:
    state = home.data / name
    state.mkdir(exist_ok=True, mode=0o700)
    return {
        "certificate_file": home.secrets / f"{name}.pem",
        "key_file": home.secrets / f"{name}.key",
        "state_dir": state,
    }
