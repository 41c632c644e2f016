"""Certificates as C2PA takes them: a root of our own and a signer below it, made in a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PKCS8, SEC1 = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL


def write_chain(
    folder: Path, name: str = "signer", form: PrivateFormat = PKCS8, password: str = "", days: int = 30
) -> tuple[Path, Path]:
    """Write `name.pem`, the signer's certificate and the root's, and `name.key`; returns the two."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _sign(
        _start("A root", "A root", root_key, 30).add_extension(x509.BasicConstraints(True, None), True), root_key
    )
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    signer = _sign(
        _start("A shop", "A root", key, days)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(usage, True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False),
        root_key,
    )
    locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    certificates, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificates.write_bytes(signer.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, form, locked))
    return certificates, key_file


def _start(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    parts = ((NameOID.COMMON_NAME, common), (NameOID.ORGANIZATION_NAME, "Tests"))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
