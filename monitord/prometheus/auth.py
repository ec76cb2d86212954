"""Basic authentication of a session's Prometheus: one user, one generated password.

Prometheus is told the bcrypt hash only (web.yml); the password itself lies in a file of its own.
Both are readable for their owner alone, whatever group the session is open to.
"""

from __future__ import annotations

import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from monitord.atomic import publish, read_if_exists
from monitord.errors import InvalidInputError

USER = "monitord"

_COST = 10
_MAX_PASSWORD_BYTES = 72  # bcrypt reads no further
_OWNER_ONLY = 0o600
_WEB_CONFIG = re.compile(rb"basic_auth_users:\n  " + USER.encode() + rb": (\S+)\n")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who monitord is to its Prometheus; the password appears in no repr."""

    password: str = field(repr=False)
    password_file: Path
    user: str = USER


def new_password() -> str:
    """Return 256 random bits, in letters that need no quoting in a URL or a shell."""
    return secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """Return the bcrypt hash of a password, about 50 ms of work."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()


def render_web_config(user: str, bcrypt_hash: str) -> bytes:
    """Return the web.yml that lets this user in and nobody else."""
    return f"basic_auth_users:\n  {user}: {bcrypt_hash}\n".encode()


def prepare_credentials(password_file: Path, web_config: Path) -> Credentials:
    """Make both files exist and agree, keeping the password that the session has already.

    Raises InvalidInputError when the password file holds something that cannot be a password, and
    OSError when a file cannot be written.
    """
    password = _existing_password(password_file)
    if password is None:
        password = new_password()
        publish(password_file, f"{password}\n".encode(), _OWNER_ONLY)
    if not _lets_in(read_if_exists(web_config), password):
        publish(web_config, render_web_config(USER, hash_password(password)), _OWNER_ONLY)
    for file in (password_file, web_config):
        if stat.S_IMODE(file.stat().st_mode) != _OWNER_ONLY:
            file.chmod(_OWNER_ONLY)
    return Credentials(password, password_file)


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


def _lets_in(web_config: bytes | None, password: str) -> bool:
    """Say whether this is the file that is rendered for the password; any other is replaced."""
    match = _WEB_CONFIG.fullmatch(web_config or b"")
    try:
        return match is not None and bcrypt.checkpw(password.encode(), match[1])
    except ValueError:  # not a hash
        return False
