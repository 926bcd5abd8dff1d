"""The secrets of one mesh: made at first start, kept as files that only their owner may read."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path

from tools.launcher.certificates import ensure_authority, ensure_certificate
from tools.launcher.files import write_atomically
from tools.launcher.tokens import ensure_signing_key

SUPERUSER = "postgres"
"""Makes the others; no service signs in as it."""
OWNER = "moat_owner"
"""Owns the tables; migrations run as it."""
DATABASE_ROLES = (
    SUPERUSER,
    OWNER,
    "moat_audit",
    "moat_audit_drain",
    "moat_audit_retention",
    "moat_enforcement",
    "moat_enforcement_worker",
)
"""All that may sign in. After the first two come what the services sign in as: a part's own for what a tenant asks, and
another for its work in the background, which writes many tenants' rows."""


def ensure_secrets(folder: Path, process_names: Iterable[str], trust_domain: str) -> None:
    """Makes what is missing; never replaces what is good."""
    ensure_authority(folder)
    for name in process_names:
        ensure_certificate(folder, name, trust_domain)
    ensure_signing_key(folder / "tokens.key", folder / "jwks.json")
    for name in ("redis-log", "redis-state", *DATABASE_ROLES):
        _ensure(password_file(folder, name), secrets.token_hex(24).encode())
    _ensure(folder / "content.key", secrets.token_bytes(32))


def password_file(folder: Path, name: str) -> Path:
    """Where the password of a server or role is."""
    return folder / f"{name}.password"


def _ensure(path: Path, content: bytes) -> None:
    if not path.exists():
        write_atomically(path, content)
