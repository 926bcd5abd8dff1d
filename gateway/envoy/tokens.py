"""Verifies the caller's token and hands its claims on as headers that no caller can forge."""

from __future__ import annotations

from typing import Any

from services.runtime.topology import Topology

Document = dict[str, Any]
_TYPE = "type.googleapis.com/envoy.extensions.filters.http"

CLAIM_HEADERS = {
    "sub": "x-moat-subject",
    "tenant": "x-moat-tenant",
    "environment": "x-moat-environment",
    "exp": "x-moat-token-expiry",
    "roles": "x-moat-roles",
}
"""Which header carries which claim; `services.runtime.identity` reads them. Envoy overwrites what a caller sent."""


HEALTH = "grpc.health.v1.Health"
"""The one service that is answered without a token: load balancers have none."""


def jwt_filter(topology: Topology) -> Document:
    """Every request but one for health needs a good token: signature, issuer, audience, expiry."""
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": f"{_TYPE}.jwt_authn.v3.JwtAuthentication",
            "providers": {
                "tokens": {
                    "issuer": topology.tokens.issuer,
                    "audiences": [topology.tokens.audience],
                    "local_jwks": {"filename": str(topology.tokens.jwks_file)},
                    "require_expiration": True,
                    "clock_skew_seconds": 5,
                    "claim_to_headers": [
                        {"claim_name": claim, "header_name": header} for claim, header in CLAIM_HEADERS.items()
                    ],
                    "payload_in_metadata": "token",
                }
            },
            "rules": [
                {"match": {"prefix": f"/{HEALTH}/"}},
                {"match": {"prefix": "/"}, "requires": {"provider_name": "tokens"}},
            ],
        },
    }


def authorisation_filter() -> Document:
    """A second lock on the same door: only a request whose token was verified passes."""
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": f"{_TYPE}.rbac.v3.RBAC",
            "rules": {
                "action": "ALLOW",
                "policies": {
                    "anybody may ask for health": {
                        "permissions": [{"url_path": {"path": {"prefix": f"/{HEALTH}/"}}}],
                        "principals": [{"any": True}],
                    },
                    "holders of a token with a tenant": {
                        "permissions": [{"any": True}],
                        "principals": [{"sourced_metadata": {"metadata_matcher": _TENANT_IS_KNOWN}}],
                    },
                },
            },
        },
    }


_TENANT_IS_KNOWN: Document = {
    "filter": "envoy.filters.http.jwt_authn",
    "path": [{"key": "token"}, {"key": "tenant"}],
    "value": {"string_match": {"safe_regex": {"regex": ".+"}}},
}
