"""Who gets through to a session's Prometheus: one user, one generated password, TLS where it is on.

Prometheus is told the bcrypt hash only (web.yml); the password itself lies in a file of its own.
Both are readable for their owner alone, whatever group the session is open to.
"""

from __future__ import annotations

import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt

from monitord.atomic import publish, read_if_exists
from monitord.documents import write_document
from monitord.errors import InvalidInputError

USER = "monitord"

_COST = 10
_MAX_PASSWORD_BYTES = 72  # bcrypt reads no further
_OWNER_ONLY = 0o600
_HASH = re.compile(r"\$2b\$\d\d\$[./A-Za-z0-9]{53}")


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


def hash_in(web_config: bytes | None) -> str | None:
    """Return the bcrypt hash that a web.yml holds, None when there is none."""
    match = _HASH.search((web_config or b"").decode(errors="replace"))
    return match[0] if match else None


def prepare_credentials(password_file: Path, web_config: Path, tls: TlsFiles | None = None) -> Credentials:
    """Make both files exist and agree, keeping the password that the session has already.

    Raises InvalidInputError when the password file holds something that cannot be a password, and
    OSError when a file cannot be written.
    """
    password = _existing_password(password_file)
    if password is None:
        password = new_password()
        publish(password_file, f"{password}\n".encode(), _OWNER_ONLY)
    known = hash_in(read_if_exists(web_config))
    bcrypt_hash = known if known and _fits(known, password) else hash_password(password)
    publish(web_config, render_web_config(bcrypt_hash, tls), _OWNER_ONLY)
    for file in (password_file, web_config):
        if stat.S_IMODE(file.stat().st_mode) != _OWNER_ONLY:
            file.chmod(_OWNER_ONLY)
    return Credentials(password, password_file)


def _fits(bcrypt_hash: str, password: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode(), bcrypt_hash.encode())
    except ValueError:  # it only looks like a hash
        return False


def _existing_password(file: Path) -> str | None:
    content = (read_if_exists(file) or b"").strip()
    if not content:
        return None
    if len(content) > _MAX_PASSWORD_BYTES or not content.isascii() or not content.decode().isprintable():
        raise InvalidInputError(
            f"{file} holds no password of at most {_MAX_PASSWORD_BYTES} plain characters; "
            "remove it, and the daemon makes a new one when it starts"
        )
    return content.decode()
