"""A certificate of the sandbox's own making, for clients that speak https only."""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

_NAME = "P2C sandbox (not a real system)"
_DAYS = 90


def certificate(home: Path) -> tuple[Path, Path]:
    """Certificate and key files for 127.0.0.1 and localhost; made when missing or old; clients trust the first."""
    chain, key = home / "sandbox.pem", home / "sandbox.key"
    if not (chain.exists() and key.exists() and _is_fresh(chain)):
        _make(chain, key)
    return chain, key


def _is_fresh(chain: Path) -> bool:
    from cryptography import x509

    until = x509.load_pem_x509_certificate(chain.read_bytes()).not_valid_after_utc
    return until > datetime.now(UTC) + timedelta(days=1)


def _make(chain: Path, key: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    began = datetime.now(UTC) - timedelta(minutes=5)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    encoded = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(encoded)
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
