"""What one accepted target file means: a registration with its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitord.targets.credentials import Reference, ScrapeCredentials

Identity = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One URL to scrape, and the labels that every series from it carries.

    `labels` holds job, instance, session, client, node, for services also service, and the user's
    own. `interval` and `timeout` are seconds; None means the session's. `credentials` None means that
    it is scraped without any. `place` is the line and column that asked for it.
    """

    url: str
    labels: Mapping[str, str]
    interval: float | None = None
    timeout: float | None = None
    credentials: ScrapeCredentials | None = None
    place: tuple[int, int] = field(default=(1, 1), compare=False)

    @property
    def host(self) -> str:
        """The host name or address that is scraped."""
        return self.labels["instance"].rpartition(":")[0].strip("[]")

    @property
    def identity(self) -> Identity:
        """What two registrations may not share: a client's service, or its exporter on one instance."""
        labels = self.labels
        return (labels["client"], labels["job"], "" if "service" in labels else labels["instance"])


@dataclass(frozen=True, slots=True)
class Registration:
    """An accepted target file.

    `digest` is the SHA-256 of its content; `lease` is in seconds, counted from the file's last
    modification. `references` are the files that its credentials are in; one that was restored from
    its status does not know where it refers to them.
    """

    file: str
    client: str
    endpoints: tuple[Endpoint, ...]
    digest: str
    lease: float | None = None
    slurm_job_id: str | None = None
    references: tuple[Reference, ...] = field(default=(), compare=False)
