"""Certificates: each names its process twice, and is renewed before it is of no use."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tools.launcher import certificates
from tools.launcher.certificates import ensure_authority, ensure_certificate


def load(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def names(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ensure_authority(tmp_path)
    return tmp_path


def test_a_process_is_named_for_servers_and_for_clients(folder: Path) -> None:
    ensure_certificate(folder, "audit", "moat.local")
    assert names(load(folder, "audit")) == ["spiffe://moat.local/audit", "audit.moat.local"]
    load(folder, "audit").verify_directly_issued_by(load(folder, "ca"))


def test_the_edge_is_also_what_clients_call_it(folder: Path) -> None:
    ensure_certificate(folder, "edge", "moat.local")
    assert {"localhost", "127.0.0.1"} <= set(names(load(folder, "edge")))


def test_a_good_certificate_is_kept(folder: Path) -> None:
    ensure_certificate(folder, "audit", "moat.local")
    before = load(folder, "audit")
    ensure_certificate(folder, "audit", "moat.local")
    assert load(folder, "audit") == before


def test_a_certificate_near_its_end_is_renewed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_LEAF_DAYS", 5)
    ensure_certificate(folder, "audit", "moat.local")
    monkeypatch.undo()
    ensure_certificate(folder, "audit", "moat.local")
    left = load(folder, "audit").not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert left > datetime.timedelta(days=60)


def test_a_certificate_of_another_authority_is_replaced(folder: Path) -> None:
    ensure_certificate(folder, "audit", "moat.local")
    (folder / "ca.key").unlink()
    ensure_authority(folder)
    ensure_certificate(folder, "audit", "moat.local")
    load(folder, "audit").verify_directly_issued_by(load(folder, "ca"))


def test_key_and_certificate_belong_together(folder: Path) -> None:
    ensure_certificate(folder, "audit", "moat.local")
    key = serialization.load_pem_private_key((folder / "audit.key").read_bytes(), None)
    assert key.public_key() == load(folder, "audit").public_key()
