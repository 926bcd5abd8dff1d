"""Tenants for tests."""

from __future__ import annotations

from gateway.tenants import Tenant


def tenant(name: str = "demo", *, weight: int = 1, max_waiting: int = 100) -> Tenant:
    return Tenant(name=name, environments=frozenset({"production"}), weight=weight, max_waiting=max_waiting)
