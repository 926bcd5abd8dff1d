"""Settings of a process: the model's defaults, then the topology file, then the environment. Frozen once loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Base of every part's settings. Subclasses set `env_prefix` (`DETECTION_`) and document each field.

    An unknown key in the file stops the start: it is a typing mistake, and a setting that silently does nothing is
    worse than none. A missing key keeps its default, so new code runs on old files.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_nested_delimiter="__")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as keyword arguments."""
        return env_settings, init_settings


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(model: type[SettingsT], from_file: Mapping[str, Any]) -> SettingsT:
    """Reads a part's settings; raises pydantic.ValidationError naming every bad field."""
    return model(**dict(from_file))
