"""A self-signed certificate for a session's Prometheus. The only module that imports cryptography.

Clients get the certificate itself from the session folder, so no certificate authority is needed.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monitord.errors import InvalidInputError
from monitord.system.atomic import publish, read_if_exists

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_LIFETIME = dt.timedelta(days=365)
_RENEWED_BEFORE = dt.timedelta(days=7)
_CLOCK_SKEW = dt.timedelta(hours=1)
_LONGEST_COMMON_NAME = 64  # what X.509 allows
_OWNER_ONLY = 0o600
_WILDCARDS = frozenset(("0.0.0.0", "::"))  # noqa: S104  # compared with, not bound to


def certificate_names(listen_host: str, hosts: Sequence[str]) -> tuple[str, ...]:
    """Return the names by which a client may reach the server: listen address, host, loopback."""
    names = (listen_host.strip("[]"), *hosts, "localhost", "127.0.0.1", "::1")
    return tuple(dict.fromkeys(name for name in names if name and name not in _WILDCARDS))


def prepare_certificate(cert_file: Path, key_file: Path, names: Sequence[str], now: float) -> bool:
    """Ensure that the files hold a certificate for these names and its key; return whether it is new.

    An existing certificate is kept if it matches the key, has all the names, and is valid for another
    week. Raises InvalidInputError when the package cryptography is missing, and OSError when a file
    cannot be written.
    """
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    try:
        if is_pair(cert_file, key_file) and _is_good(read_if_exists(cert_file) or b"", names, moment):
            return False
        certificate, key = _generate(names, moment)
    except ImportError as error:
        raise InvalidInputError(
            "prometheus.tls: generating a certificate needs the Python package cryptography; install it "
            "(pip install 'monitord[tls]'), or set prometheus.tls.cert_file and key_file to your own"
        ) from error
    publish(key_file, key, _OWNER_ONLY)
    publish(cert_file, certificate, _OWNER_ONLY)
    return True


def is_pair(cert_file: Path, key_file: Path) -> bool:
    """Return whether the files are a readable certificate and its matching key."""
    try:
        # For a key with a passphrase, OpenSSL would otherwise prompt on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_file, key_file, password=lambda: "")
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return False
    return True


def _is_good(pem: bytes, names: Sequence[str], moment: dt.datetime) -> bool:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        return False
    known = {str(name.value) for name in extension.value}
    return set(names) <= known and certificate.not_valid_after_utc - moment > _RENEWED_BEFORE


def _generate(names: Sequence[str], moment: dt.datetime) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(key, names, moment)
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _sign(key: EllipticCurvePrivateKey, names: Sequence[str], moment: dt.datetime) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_LONGEST_COMMON_NAME])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _CLOCK_SKEW)
        .not_valid_after(moment + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
