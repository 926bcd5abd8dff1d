"""The resolved topology: which processes this mesh has, where each listens, whom it believes, and where its files are.

The launcher writes it as JSON from `config/topology.yaml` once ports and secrets exist, and names it in
`MOAT_TOPOLOGY`; every process reads this one file. In production the same document comes from the deployment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

VARIABLE = "MOAT_TOPOLOGY"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Process(_Frozen):
    """One process of ours."""

    host: str = "127.0.0.1"
    port: int = 0
    """gRPC; 0 for a process that serves none."""
    metrics_port: int = 0
    certificate_file: Path
    key_file: Path
    state_dir: Path
    """Its own folder, kept across restarts."""
    callers: dict[str, list[str]] = Field(default_factory=dict)
    """Who may call it, and with which permissions. `edge` stands for people, whose permissions come from roles."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What differs from the defaults in its settings module."""

    @property
    def address(self) -> str:
        """host:port of its gRPC server."""
        return f"{self.host}:{self.port}"


class Redis(_Frozen):
    """One Redis (Valkey) in cluster mode."""

    host: str = "127.0.0.1"
    port: int
    bus_port: int = 0
    """Where the nodes of the cluster talk to each other; of no interest to clients."""
    password_file: Path

    def password(self) -> str:
        """Read when it is needed, so that a rotated secret is picked up by a restart."""
        return self.password_file.read_text().strip()


class Postgres(_Frozen):
    """The database and the roles that may sign in."""

    host: str = "127.0.0.1"
    port: int
    database: str
    password_files: dict[str, Path]
    """By role."""

    def url(self, role: str) -> str:
        """SQLAlchemy's URL for a role."""
        password = self.password_files[role].read_text().strip()
        return f"postgresql+psycopg://{role}:{password}@{self.host}:{self.port}/{self.database}"


class Triton(_Frozen):
    """The inference server."""

    host: str = "127.0.0.1"
    grpc: int
    http: int
    metrics: int
    repository: Path | None = None
    """The model repository that the launcher serves; absent for `inference/model_repository`, and where others start it."""


class Collector(_Frozen):
    """Where spans go, and where they are looked at."""

    host: str = "127.0.0.1"
    otlp_grpc: int
    otlp_http: int
    page: int


class Edge(_Frozen):
    """Envoy."""

    host: str = "127.0.0.1"
    port: int
    admin: int
    ca_file: Path
    """What clients trust."""
    origins: list[str] = Field(default_factory=list)
    """Web pages that may call by gRPC-Web, as `https://console.example`."""


class Tokens(_Frozen):
    """What the edge accepts."""

    issuer: str
    audience: str
    jwks_file: Path
    signing_key_file: Path | None = None
    """The local issuer's private key; absent where tokens come from an identity provider."""


class Traces(_Frozen):
    """Which decisions' traces are kept."""

    keep_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the plain, fast, undegraded ones, chosen by trace id."""
    keep_notable: bool = True
    """Whether all the others are kept."""


class Topology(_Frozen):
    """A whole mesh."""

    trust_domain: str
    ca_file: Path
    processes: dict[str, Process]
    redis_log: Redis
    redis_state: Redis
    postgres: Postgres
    triton: Triton
    collector: Collector
    edge: Edge
    tokens: Tokens
    traces: Traces = Traces()
    content_key_file: Path
    """The key-encryption key: 32 bytes."""
    tenants_file: Path
    roles_file: Path
    policies_dir: Path

    @classmethod
    def load(cls, path: Path | None = None) -> Topology:
        """Reads `path`, or the file that MOAT_TOPOLOGY names. Raises KeyError, OSError or pydantic.ValidationError."""
        return cls.model_validate_json((path or Path(os.environ[VARIABLE])).read_bytes())

    def process(self, name: str) -> Process:
        """Raises KeyError for a process this mesh does not have."""
        return self.processes[name]
