"""Every RPC of ours says what it requires, and every permission a role holds is one that some RPC asks for."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml
from google.protobuf.descriptor import MethodDescriptor

from services.runtime.server import permissions_of

ROOT = Path(__file__).resolve().parents[2]
BESIDE_RPCS = {"decisions.read_content"}
"""Permissions that a field of a request asks for, not the RPC."""


def methods() -> list[MethodDescriptor]:
    """All RPCs in the generated stubs."""
    found: list[MethodDescriptor] = []
    for path in sorted((ROOT / "gen" / "moat").rglob("*_pb2.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT / "gen").with_suffix("").parts))
        services = module.DESCRIPTOR.services_by_name.values()
        found += [method for service in services for method in service.methods]
    return found


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_every_rpc_names_its_permission(method: MethodDescriptor) -> None:
    permission = permissions_of([method.containing_service])[f"/{method.containing_service.full_name}/{method.name}"]
    area, _, verb = permission.partition(".")
    assert area, f"{method.full_name} names no permission: add `option (moat.options.v1.permission)`"
    assert verb


def test_roles_hold_only_permissions_that_exist() -> None:
    roles = yaml.safe_load((ROOT / "config" / "roles.yaml").read_text())
    asked_for = set(permissions_of([method.containing_service for method in methods()]).values()) | BESIDE_RPCS
    assert {permission for held in roles.values() for permission in held} <= asked_for
