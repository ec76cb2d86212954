"""How Prometheus authenticates to a target and verifies it. Pure.

There are no secrets here, only the paths of the files with the secrets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

MAX_CREDENTIALS = 32
"""How many different ones a session may have: each costs Prometheus an inotify instance of the user's 128."""


class Kind(StrEnum):
    """The content of a file that is referred to."""

    SECRET = "secret"  # noqa: S105  # the word, no password
    KEY = "private key"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a target file refers to, and the field, line and column where it does."""

    path: str
    kind: Kind
    field: str = ""
    place: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class ScrapeCredentials:
    """The credentials with which a target is scraped; what is empty is not used."""

    username: str = ""
    password_file: str = ""
    bearer_token_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False

    @property
    def digest(self) -> str:
        """A stable identifier of these credentials; part of file names."""
        import hashlib  # noqa: PLC0415  # it loads OpenSSL, which commands that only read do not need

        text = json.dumps(self.written(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def written(self) -> dict[str, Any]:
        """Return what is used, by name: `ScrapeCredentials(**written)` is this again."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value}

    def references(self) -> Iterator[Reference]:
        """Yield the files that are referred to."""
        for name, kind in KINDS.items():
            if path := getattr(self, name):
                yield Reference(path, kind, name)


KINDS = {
    "password_file": Kind.SECRET,
    "bearer_token_file": Kind.SECRET,
    "ca_file": Kind.CERTIFICATE,
    "cert_file": Kind.CERTIFICATE,
    "key_file": Kind.KEY,
}
