"""Settings of the routing service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class RoutingSettings(ServiceSettings):
    """Defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="ROUTING_")

    policy: str = Field(default="default.yaml", pattern=r"^[\w.-]+$")
    """The file in the folder of policies."""
