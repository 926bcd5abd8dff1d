"""The resolved topology: free ports that stay, secrets that stay, and the whole of the source's meaning."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from services.runtime.topology import Topology
from tools.launcher.home import Home
from tools.launcher.ports import LOOPBACK, Ports
from tools.launcher.resolve import Document, read_source, resolve

pytestmark = pytest.mark.xdist_group("ports")
_FIRST_PORT = 1024
_APART = 12_000
"""So far from the preferred ports do these tests look, that no mesh of another test takes one between two starts."""


def source() -> Document:
    """The real source, with all its ports moved."""

    def moved(node: Any) -> Any:  # noqa: ANN401 - any part of a document
        if isinstance(node, dict):
            return {name: moved(value) for name, value in node.items()}
        return node + _APART if isinstance(node, int) and node >= _FIRST_PORT else node

    document: Document = moved(read_source())
    return document


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.under(tmp_path)


def ports_in(topology: Topology) -> list[int]:
    def numbers(node: object, key: str = "") -> list[int]:
        if isinstance(node, dict):
            return [number for name, value in node.items() for number in numbers(value, name)]
        ports = (
            "port",
            "bus_port",
            "metrics_port",
            "admin",
            "grpc",
            "http",
            "metrics",
            "otlp_grpc",
            "otlp_http",
            "page",
        )
        return [node] if isinstance(node, int) and node and key in ports else []

    return numbers(json.loads(topology.model_dump_json()))


def start(home: Home, document: Document | None = None) -> Topology:
    with Ports() as ports:
        return resolve(home, document or source(), ports)


def test_what_is_written_is_what_processes_read(home: Home) -> None:
    assert start(home) == Topology.load(home.topology)


def test_no_port_is_given_twice(home: Home) -> None:
    ports = ports_in(start(home))
    assert len(ports) > 25
    assert len(set(ports)) == len(ports)


def test_ports_and_secrets_stay_from_start_to_start(home: Home) -> None:
    first = start(home)
    secrets = {path.name: path.read_bytes() for path in home.secrets.iterdir()}
    assert start(home) == first
    assert {path.name: path.read_bytes() for path in home.secrets.iterdir()} == secrets


def test_a_port_that_somebody_took_meanwhile_is_replaced(home: Home) -> None:
    taken = start(home).edge.port
    with socket.socket() as somebody:
        somebody.bind((LOOPBACK, taken))
        somebody.listen()
        assert start(home).edge.port != taken


def test_two_meshes_that_start_together_share_no_port(tmp_path: Path) -> None:
    with Ports() as one, Ports() as other:
        first = resolve(Home.under(tmp_path / "one"), source(), one)
        second = resolve(Home.under(tmp_path / "other"), source(), other)
    assert not set(ports_in(first)) & set(ports_in(second))


def test_secrets_are_for_their_owner_alone(home: Home) -> None:
    start(home)
    loose = [path.name for path in home.secrets.iterdir() if path.stat().st_mode & 0o077 and path.suffix != ".pem"]
    assert loose == []
    assert (home.secrets / "content.key").stat().st_size == 32


def test_callers_and_their_permissions_are_passed_on(home: Home) -> None:
    document = source()
    topology = start(home, document)
    for name, entry in document["processes"].items():
        assert topology.process(name).callers == entry["callers"]


def test_a_source_that_lacks_something_is_refused(home: Home) -> None:
    document = source()
    del document["servers"]["postgres"]
    with pytest.raises(KeyError):
        start(home, document)


def test_a_source_with_a_word_too_many_is_refused(home: Home) -> None:
    document = source()
    document["traces"]["keep_shair"] = 1
    with pytest.raises(ValueError, match="keep_shair"):
        start(home, document)
