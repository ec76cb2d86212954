"""Who gets through to a session's Prometheus: one user, one generated password, TLS where it is on.

Prometheus gets the bcrypt hash only (web.yml); the password itself lies in a file of its own. Both are
readable for their owner alone, whatever group the session is open to. Each start of Prometheus has
another password: whoever took the port of one that died has nothing that the next one accepts.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt

from monitord.documents.strict_yaml import write_document

USER = "monitord"

_COST = 10


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who monitord is to its Prometheus; the password appears in no repr."""

    password: str = field(repr=False)
    password_file: Path
    user: str = USER


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate that Prometheus shows, and its key, both PEM."""

    cert_file: Path
    key_file: Path


def new_password() -> str:
    """Return 256 random bits, in letters that need no quoting in a URL or a shell."""
    return secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """Return the bcrypt hash of a password, about 50 ms of work."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()


def render_web_config(bcrypt_hash: str | None, tls: TlsFiles | None) -> bytes:
    """Return the web.yml that lets this password's user in and nobody else, over TLS where it is on.

    Without a hash everybody is let in. Relative paths count from where the web.yml lies.
    """
    config: dict[str, Any] = {}
    if tls is not None:
        files = {"cert_file": str(tls.cert_file), "key_file": str(tls.key_file)}
        config["tls_server_config"] = {**files, "min_version": "TLS12"}
    if bcrypt_hash is not None:
        config["basic_auth_users"] = {USER: bcrypt_hash}
    return write_document(config)


def new_credentials(password_file: Path) -> Credentials:
    """Return credentials with a password that nobody has yet; `password_file` is where it will be found."""
    return Credentials(new_password(), password_file)
