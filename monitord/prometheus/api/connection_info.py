"""How to connect to a Prometheus, for another process. It holds no secret, only the files with them. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """A server's URL, the seconds that a request may take, the user and the files with password and
    certificate.

    `owner` is the uid that the server must run as; None means any.
    """

    url: str
    timeout: float
    user: str | None = None
    password_file: str | None = None
    certificate: str | None = None
    owner: int | None = None
