"""What the edge's configuration promises, whatever else changes in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from gateway.envoy.edge import ROUTES, bootstrap
from gateway.envoy.files import DESCRIPTOR_SET, check, render
from tests.support.topologies import example_topology
from tools.launcher.certificates import ensure_authority, ensure_certificate
from tools.launcher.tokens import ensure_signing_key

INTERNAL = {
    "ContextService",
    "DecisionLogService",
    "DetectionService",
    "DetectorService",
    "EffectService",
    "EvidenceStoreService",
    "RoutingService",
}


def leaves(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, path)
    else:
        yield path, node


def services() -> set[str]:
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    return {f"{file.package}.{service.name}" for file in files.file for service in file.service}


def test_every_service_is_either_public_or_kept_inside() -> None:
    assert services() - set(ROUTES) == {name for name in services() if name.rpartition(".")[2] in INTERNAL}


def test_it_listens_and_connects_on_loopback_only() -> None:
    addresses = {value for path, value in leaves(bootstrap(example_topology(), "")) if path.endswith(".address")}
    assert addresses == {"127.0.0.1"}


def test_every_service_must_prove_its_name() -> None:
    clusters = bootstrap(example_topology(), "")["static_resources"]["clusters"]
    for cluster in clusters:
        if cluster["name"] == "collector":
            continue
        names = [value for path, value in leaves(cluster) if path.endswith("matcher.exact")]
        assert names == [f"spiffe://moat.local/{cluster['name']}"]


def test_nothing_is_traced_when_no_trace_is_kept() -> None:
    document = render(example_topology(traces={"keep_share": 0}))
    assert "tracers" not in document


def test_the_access_log_holds_no_header_of_the_caller() -> None:
    formats = [value for path, value in leaves(bootstrap(example_topology(), "")) if ".json_format." in path]
    assert formats
    assert not [value for value in formats if "REQ(" in str(value) or "REQUEST_HEADER" in str(value)]


@pytest.mark.parametrize("keep_share", [0, 0.01, 1])
def test_envoy_itself_accepts_it(tmp_path: Path, keep_share: float) -> None:
    ensure_authority(tmp_path)
    ensure_certificate(tmp_path, "edge", "moat.local")
    ensure_signing_key(tmp_path / "tokens.key", tmp_path / "jwks.json")
    assert check(render(example_topology(tmp_path, traces={"keep_share": keep_share}))) == ""


def test_envoy_says_what_is_wrong(tmp_path: Path) -> None:
    assert "ca.pem" in check(render(example_topology(tmp_path)))
