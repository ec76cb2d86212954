"""Authentication for a session's Prometheus: one user with a generated password, and optional TLS.

Prometheus gets only the bcrypt hash (web.yml); the password is in a separate file. Only their owner can
read either, whatever group the session is open to. Every start of Prometheus gets a new password, so that a
password that leaked to a process on its port is worthless afterwards.
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
    """monitord's user and password for its Prometheus; repr omits the password."""

    password: str = field(repr=False)
    password_file: Path
    user: str = USER


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The server's certificate and key, both PEM."""

    cert_file: Path
    key_file: Path


def new_password() -> str:
    """Return 256 random bits as text that needs no quoting in a URL or shell."""
    return secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """Return the bcrypt hash of a password; takes about 50 ms."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()


def render_web_config(bcrypt_hash: str | None, tls: TlsFiles | None) -> bytes:
    """Return a web.yml that admits only this password's user, over TLS if given.

    Without a hash, everybody is admitted. Relative paths are relative to the web.yml.
    """
    config: dict[str, Any] = {}
    if tls is not None:
        files = {"cert_file": str(tls.cert_file), "key_file": str(tls.key_file)}
        config["tls_server_config"] = {**files, "min_version": "TLS12"}
    if bcrypt_hash is not None:
        config["basic_auth_users"] = {USER: bcrypt_hash}
    return write_document(config)


def new_credentials(password_file: Path) -> Credentials:
    """Return credentials with a new password; `password_file` is where it will be written."""
    return Credentials(new_password(), password_file)
