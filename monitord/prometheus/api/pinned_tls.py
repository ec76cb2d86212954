"""Trust a server only if it shows one given certificate."""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from monitord.errors import InvalidInputError

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s[^-]*-----END CERTIFICATE-----")  # a server shows the first


class PinnedCertificateAdapter(HTTPAdapter):
    """Connects only to a server with this certificate; it is compared before anything is sent.

    This is stricter than a chain of trust and a host name, and works for self-signed certificates and for
    connections to a loopback address.
    """

    def __init__(self, certificate: Path) -> None:
        self._fingerprint = _fingerprint(certificate)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, assert_fingerprint=self._fingerprint)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        # Not verified by an authority: the fingerprint alone decides.
        return super().send(request, **{**options, "verify": False})


def _fingerprint(certificate: Path) -> str:
    try:
        match = _PEM.search(certificate.read_text(encoding="ascii", errors="replace"))
        if match is not None:
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(match[0])).hexdigest()
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{certificate} cannot be read as a certificate: {error}") from error
    raise InvalidInputError(f"{certificate} holds no certificate in PEM")
