"""What one accepted target file means: a registration with its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One URL to scrape, and the labels that every series from it carries.

    `labels` holds job, instance, session, client, node, for services also service, and the user's
    own. `interval` and `timeout` are seconds; None means the session's.
    """

    url: str
    labels: Mapping[str, str]
    interval: float | None = None
    timeout: float | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """What two registrations may not share: client, job and instance."""
        return (self.labels["client"], self.labels["job"], self.labels["instance"])


@dataclass(frozen=True, slots=True)
class Registration:
    """An accepted target file.

    `digest` is the SHA-256 of its content; `lease` is in seconds, counted from the file's last
    modification.
    """

    file: str
    client: str
    endpoints: tuple[Endpoint, ...]
    digest: str
    lease: float | None = None
    slurm_job_id: str | None = None
