"""Settings of the audit service and of its drain."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.audit.evidence.settings import EvidenceSettings
from services.runtime.settings import ServiceSettings

LOG_SHARDS = 8
"""Fixed when a mesh is made: a request id must find its shard again."""


class AuditSettings(ServiceSettings):
    """Defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="AUDIT_")

    remember_seconds: int = Field(default=3600, ge=60)
    """How long a request id is remembered by the log, and with it its record, in memory. A repeat after that is a new
    decision."""
    longest_backlog: int = Field(default=50_000, ge=1000)
    """Decisions that a shard may hold for the drain before the log refuses and gateways spool."""
    read_pool: int = Field(default=5, ge=1)
    """Connections to Postgres."""
    read_wait_seconds: float = Field(default=2.0, ge=0)
    """How long GetDecision waits for a decision that the drain may be about to write."""
    evidence: EvidenceSettings = EvidenceSettings()


class DrainSettings(ServiceSettings):
    """Defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="AUDIT_DRAIN_")

    batch: int = Field(default=500, ge=1)
    """Decisions a transaction."""
    consumer: str = "drain-0"
    """This replica's name in the consumer group: the same after a restart, so that it finds its own pending entries."""
    idle_seconds: float = Field(default=0.05, gt=0)
    """How long it waits before it looks again, unless a batch was full."""
    abandoned_seconds: float = Field(default=15.0, gt=0)
    """After this long an entry that another replica has not finished is taken over."""
