"""Who is calling, as far as it has been proven."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from services.runtime.errors import NotAllowed, NotAuthenticated


@dataclass(frozen=True, slots=True)
class Principal:
    """A service of the mesh, or a token's subject that the edge vouches for."""

    subject: str
    """A service's name, or the token's `sub`."""
    permissions: frozenset[str]
    tenant: str = ""
    """From the token; empty for a service, whose items name their tenants themselves."""
    environment: str = ""
    expires_unix_seconds: float | None = None
    """When the token stops being good; None for a service."""

    def require(self, permission: str) -> None:
        """Raises NotAllowed unless the principal holds `permission`."""
        if permission not in self.permissions:
            raise NotAllowed(
                f"{self.subject} does not hold the permission {permission}",
                metadata={"subject": self.subject, "permission": permission},
            )

    def require_fresh(self, now_unix_seconds: float) -> None:
        """Raises NotAuthenticated once the token has expired: long streams outlive tokens."""
        if self.expires_unix_seconds is not None and now_unix_seconds >= self.expires_unix_seconds:
            raise NotAuthenticated("the token has expired; open a new stream with a new one", reason="TOKEN_EXPIRED")


_current: ContextVar[Principal] = ContextVar("moat_principal")


def current_principal() -> Principal:
    """The caller of the RPC being served. Raises LookupError outside of one."""
    return _current.get()


def set_current_principal(principal: Principal) -> None:
    """For the guard, once the caller is proven."""
    _current.set(principal)
