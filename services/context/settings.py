"""Settings of the context service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class ContextSettings(ServiceSettings):
    """Defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="CONTEXT_")

    state_shards: int = Field(default=4, ge=1)
    """Over how many slots a tenant's windows are spread."""
    timeout_seconds: float = Field(default=1.0, gt=0)
    """How long Redis may take before context is said to be missing."""
