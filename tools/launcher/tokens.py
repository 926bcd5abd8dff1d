"""The local token issuer: stands where an identity provider stands in production."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from services.runtime.topology import Tokens
from tools.launcher.files import write_atomically

_KEY_ID = "local-1"


def ensure_signing_key(key_file: Path, jwks_file: Path) -> None:
    """Makes the private key and the JWKS that the edge verifies with, unless both are there."""
    if key_file.exists() and jwks_file.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    public = {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": _KEY_ID, "use": "sig", "alg": "ES256"}
    write_atomically(
        key_file,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    write_atomically(jwks_file, json.dumps({"keys": [public]}).encode())


def mint(
    tokens: Tokens,
    *,
    tenant: str,
    environment: str = "production",
    roles: Sequence[str] = ("game_server",),
    subject: str = "local",
    ttl_seconds: float = 3600,
) -> str:
    """A token that the edge of this mesh accepts. Raises FileNotFoundError where tokens come from elsewhere."""
    if tokens.signing_key_file is None:
        message = "this mesh has no signing key: its tokens come from an identity provider"
        raise FileNotFoundError(message)
    now = time.time()
    claims = {
        "iss": tokens.issuer,
        "aud": tokens.audience,
        "sub": subject,
        "iat": int(now),
        "exp": int(now + ttl_seconds),
        "tenant": tenant,
        "environment": environment,
        "roles": list(roles),
    }
    return jwt.encode(claims, tokens.signing_key_file.read_bytes(), algorithm="ES256", headers={"kid": _KEY_ID})
