"""Where a Prometheus is and who gets in, as may be told to another process: no secret is in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Door:
    """A server's URL, how many seconds it has to answer, the files that hold what lets one in, and as
    which uid it runs if that counts."""

    url: str
    timeout: float
    user: str | None = None
    password_file: str | None = None
    certificate: str | None = None
    owner: int | None = None
