"""Settings of the enforcement service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class EnforcementSettings(ServiceSettings):
    """Defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="ENFORCEMENT_")

    state_shards: int = Field(default=4, ge=1)
    """Over how many slots a tenant's restrictions are spread."""
    pool: int = Field(default=4, ge=1)
    """Connections to Postgres, for each of the two roles."""
    consumer: str = "enforcement-0"
    """This replica's name in the consumer group of intents."""
    idle_seconds: float = Field(default=0.1, gt=0)
    """How long the worker waits before it looks for intents again."""
    repair_seconds: float = Field(default=1.0, gt=0)
    """How often it looks for enforcements that the cache may not know of."""
    log_shards: int = Field(default=8, ge=1)
    """As many as the decision log has."""
