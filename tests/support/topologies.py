"""Topologies for tests that start nothing."""

from __future__ import annotations

from pathlib import Path

from services.runtime.topology import Topology


def example_topology(folder: Path = Path("/etc/moat"), **changes: object) -> Topology:
    """A whole mesh as it could be deployed: the same on every machine, so that what is made from it can be compared."""
    names = ("gateway", "detection", "context", "routing", "enforcement", "audit", "audit-drain", "collector", "edge")
    processes = {
        name: {
            "port": 7460 + index,
            "metrics_port": 7560 + index,
            "certificate_file": folder / f"{name}.pem",
            "key_file": folder / f"{name}.key",
            "state_dir": folder / name,
        }
        for index, name in enumerate(names)
    }
    document: dict[str, object] = {
        "trust_domain": "moat.local",
        "ca_file": folder / "ca.pem",
        "processes": processes,
        "redis_log": {"port": 7421, "password_file": folder / "redis-log.password"},
        "redis_state": {"port": 7422, "password_file": folder / "redis-state.password"},
        "postgres": {"port": 7410, "database": "moat", "password_files": {}},
        "triton": {"grpc": 7431, "http": 7432, "metrics": 7433},
        "collector": {"otlp_grpc": 7451, "otlp_http": 7452, "page": 7453},
        "edge": {"port": 7443, "admin": 7444, "ca_file": folder / "ca.pem", "origins": ["https://console.example"]},
        "tokens": {"issuer": "moat-local", "audience": "moat", "jwks_file": folder / "jwks.json"},
        "content_key_file": folder / "content.key",
        "tenants_file": folder / "tenants.yaml",
        "roles_file": folder / "roles.yaml",
        "policies_dir": folder / "policies",
    }
    return Topology.model_validate(document | changes)
