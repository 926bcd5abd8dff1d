"""A certificate authority of one test run, and a leaf for each process of a mesh."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

TRUST_DOMAIN = "moat.local"


def write_certificates(folder: Path, names: tuple[str, ...]) -> None:
    """Writes `ca.pem`, and `<name>.pem` and `<name>.key` for each name."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    authority = _certificate(issuer, issuer, authority_key.public_key(), constraints)
    _write(folder / "ca.pem", authority.sign(authority_key, hashes.SHA256()))
    for name in names:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names_of_it = x509.SubjectAlternativeName(
            [
                x509.DNSName(f"{name}.{TRUST_DOMAIN}"),
                x509.UniformResourceIdentifier(f"spiffe://{TRUST_DOMAIN}/{name}"),
            ]
        )
        leaf = _certificate(subject, issuer, key.public_key(), names_of_it)
        _write(folder / f"{name}.pem", leaf.sign(authority_key, hashes.SHA256()))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    )


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
