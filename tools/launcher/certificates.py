"""The mesh's own certificate authority and a certificate per process, made at first start.

Each certificate names its process twice: as SPIFFE URI (what servers and the edge check) and as DNS name (what gRPC
clients check).
"""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.launcher.files import write_atomically

_AUTHORITY_DAYS = 3650
_LEAF_DAYS = 90
_RENEW_DAYS = 30
_PEM = serialization.Encoding.PEM


def ensure_authority(folder: Path) -> None:
    """Makes `ca.pem` and `ca.key` unless they are there."""
    if (folder / "ca.pem").exists() and (folder / "ca.key").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Moat local authority")])
    certificate = (
        _builder(name, key, _AUTHORITY_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(folder / "ca.key", key)
    write_atomically(folder / "ca.pem", certificate.public_bytes(_PEM), mode=0o644)


def ensure_certificate(folder: Path, name: str, trust_domain: str) -> None:
    """Makes `NAME.pem` and `NAME.key`, or renews them when they are about to expire or of another authority."""
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    if _is_good(folder / f"{name}.pem", authority) and (folder / f"{name}.key").exists():
        return
    authority_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        message = f"{folder / 'ca.key'} is not an elliptic curve key; remove the secrets folder to make a new one"
        raise TypeError(message)
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"spiffe://{trust_domain}/{name}"),
        x509.DNSName(f"{name}.{trust_domain}"),
    ]
    if name == "edge":
        names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, _LEAF_DAYS)
        .issuer_name(authority.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        # Python 3.13 trusts no certificate that does not name its authority's key.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    _write_key(folder / f"{name}.key", key)
    write_atomically(folder / f"{name}.pem", certificate.public_bytes(_PEM), mode=0o644)


def _is_good(path: Path, authority: x509.Certificate) -> bool:
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    renew_from = certificate.not_valid_after_utc - datetime.timedelta(days=_RENEW_DAYS)
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - any reason not to trust it is a reason to make a new one
        return False
    return datetime.datetime.now(datetime.UTC) < renew_from


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(path, pem)
