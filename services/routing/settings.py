"""Settings of the routing service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings

_ROOT = Path(__file__).resolve().parents[2]


class RoutingSettings(ServiceSettings):
    """Defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="ROUTING_")

    policy: str = Field(default="default.yaml", pattern=r"^[\w.-]+$")
    """The file in the folder of policies."""
    calibrations: Path = _ROOT / "config" / "calibrations"
    """A folder of calibrations; those in `calibrations` of the service's own state folder, where `moat calibrate` puts them,
    count as well."""
    drift_block: int = Field(default=250, ge=10)
    """Drift is told anew after so many texts of a calibrated place."""
    drift_blocks: int = Field(default=4, ge=1, le=100)
    """It speaks of so many times as many."""
