"""Proves who calls: the mTLS peer's SPIFFE name, and behind the edge the token it has verified.

gRPC-Python checks that a peer's certificate is signed by our CA, not whose it is. So every server checks the SPIFFE
URI in it against its own caller list, and every client checks the DNS name (see `clients.open_channel`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import grpc

from services.runtime.errors import NotAllowed, NotAuthenticated
from services.runtime.principal import Principal

EDGE = "edge"
"""The one peer whose `x-moat-*` headers are believed: Envoy sets them from a token it has verified."""


class Identification:
    """Turns a call's peer and headers into a Principal."""

    def __init__(
        self,
        trust_domain: str,
        callers: Mapping[str, frozenset[str]],
        roles: Mapping[str, frozenset[str]],
    ) -> None:
        """`callers`: permissions by service name, this service's own list. `roles`: permissions by role."""
        self._prefix = f"spiffe://{trust_domain}/"
        self._services = {
            name: Principal(subject=name, permissions=permissions)
            for name, permissions in callers.items()
            if name != EDGE
        }
        self._believes_edge = EDGE in callers
        self._roles = roles

    def __call__(self, context: grpc.aio.ServicerContext[Any, Any]) -> Principal:
        """Raises NotAuthenticated without a certificate of the mesh, NotAllowed for one that is not on the list."""
        name = self._peer_name(context.auth_context())
        if name == EDGE and self._believes_edge:
            return self._user(dict(context.invocation_metadata() or ()))
        try:
            return self._services[name]
        except KeyError:
            raise NotAllowed(
                f"{name} is not on this service's caller list", reason="CALLER_NOT_LISTED", metadata={"caller": name}
            ) from None

    def _peer_name(self, auth: Mapping[str, Any]) -> str:
        for value in auth.get("peer_spiffe_id", ()):
            uri = value.decode()
            if uri.startswith(self._prefix):
                return str(uri.removeprefix(self._prefix))
        raise NotAuthenticated("no certificate of this mesh was presented", reason="NO_MESH_IDENTITY")

    def _user(self, headers: Mapping[str, Any]) -> Principal:
        try:
            subject = str(headers["x-moat-subject"])
            tenant = str(headers["x-moat-tenant"])
            environment = str(headers["x-moat-environment"])
            expires = float(headers["x-moat-token-expiry"])
        except (KeyError, ValueError):
            raise NotAuthenticated(
                "the token must carry sub, tenant, environment and exp", reason="TOKEN_INCOMPLETE"
            ) from None
        held: frozenset[str] = frozenset()
        for role in _roles(str(headers.get("x-moat-roles", ""))):
            held |= self._roles.get(role, frozenset())
        return Principal(subject, held, tenant, environment, expires)


def _roles(header: str) -> list[str]:
    """Envoy hands a claim that is a list on as base64url of its JSON. What cannot be read gives no role."""
    try:
        roles = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except ValueError:
        return []
    return [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
