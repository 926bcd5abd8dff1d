"""The registry of tenants, and what is wrong with broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gateway.tenants import Tenants, WhenUndecidable
from services.runtime.errors import NotAllowed
from services.runtime.principal import Principal

ROOT = Path(__file__).resolve().parents[3]


def principal(tenant: str, environment: str) -> Principal:
    return Principal("server", frozenset(), tenant, environment)


def load(tmp_path: Path, text: str) -> Tenants:
    path = tmp_path / "tenants.yaml"
    path.write_text(text)
    return Tenants.load(path)


def test_the_shipped_tenants_are_sound() -> None:
    demo = Tenants.load(ROOT / "config" / "tenants.yaml").of(principal("demo", "production"))
    assert demo.when_undecidable is WhenUndecidable.HOLD


def test_a_token_of_nobody_is_refused(tmp_path: Path) -> None:
    tenants = load(tmp_path, "demo: {environments: [production]}")
    for tenant, environment in [("nobody", "production"), ("demo", "staging"), ("", "")]:
        with pytest.raises(NotAllowed) as caught:
            tenants.of(principal(tenant, environment))
        assert caught.value.reason == "TENANT_UNKNOWN"


@pytest.mark.parametrize(
    "text",
    [
        "demo: {}",
        "demo: {environments: []}",
        "demo: {environments: [production], weight: 0}",
        "demo: {environments: [production], max_waiting: 0}",
        "demo: {environments: [production], when_undecidable: shrug}",
        "demo: {environments: [production], unknown_key: 1}",
        "'De mo': {environments: [production]}",
        "- a list",
        "demo: {environments: [production",
    ],
)
def test_a_broken_registry_stops_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises((ValueError, yaml.YAMLError)):
        load(tmp_path, text)
