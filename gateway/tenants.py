"""Who may use this mesh: the tenants, their environments, their shares, and what they chose for bad days."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.runtime.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from services.runtime.principal import Principal


class WhenUndecidable(StrEnum):
    """What a caller is told when no policy can be asked."""

    HOLD = "hold"
    BLOCK = "block"
    ALLOW = "allow"


class WhenUnrecordable(StrEnum):
    """What a caller is told when a verdict can be kept nowhere."""

    REFUSE = "refuse"
    ANSWER = "answer"


class Tenant(BaseModel):
    """One tenant's entry in `config/tenants.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    environments: frozenset[str] = Field(min_length=1)
    weight: int = Field(default=1, ge=1, le=1000)
    """Its share of the gateway when everybody wants more than there is."""
    max_waiting: int = Field(default=2048, ge=1)
    """How many of its items may wait for their turn."""
    when_undecidable: WhenUndecidable = WhenUndecidable.HOLD
    when_unrecordable: WhenUnrecordable = WhenUnrecordable.REFUSE
    evidence_days: float = Field(default=30.0, gt=0, le=3650)
    """How long files are kept that a rule of its policy wants kept, unless somebody holds them."""


_Entries = TypeAdapter(dict[str, dict[str, object]])


class Tenants:
    """All tenants by name. Read once: a tenant is added by a restart."""

    def __init__(self, by_name: Mapping[str, Tenant]) -> None:
        """See `load`."""
        self._by_name = dict(by_name)

    @classmethod
    def load(cls, path: Path) -> Tenants:
        """Raises OSError, yaml.YAMLError or pydantic.ValidationError (a ValueError) for a file that cannot be used."""
        entries = _Entries.validate_python(yaml.safe_load(path.read_text()))
        return cls({name: Tenant.model_validate({"name": name, **entry}) for name, entry in entries.items()})

    def of(self, principal: Principal) -> Tenant:
        """The tenant a token speaks for. Raises NotAllowed when the mesh does not know it or its environment."""
        tenant = self._by_name.get(principal.tenant)
        if tenant is None or principal.environment not in tenant.environments:
            raise NotAllowed(
                "the token's tenant and environment are not known here",
                reason="TENANT_UNKNOWN",
                metadata={"tenant": principal.tenant, "environment": principal.environment},
            )
        return tenant
