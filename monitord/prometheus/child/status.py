"""How the supervised Prometheus is: values that the main loop posts and any thread may read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitord.errors import PrometheusUnavailableError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.child.outages import Outages
from monitord.prometheus.child.restart_policy import Phase
from monitord.prometheus.child.status_document import before_launch

Files = Mapping[Path, tuple[bytes, int | None]]
"""Whole files to publish, by path: content and mode. A mode of None is that of the session's other files."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one run of Prometheus."""

    url: str
    auth: tuple[str, str] | None
    password_file: Path
    certificate: Path | None
    has_ended: Callable[[], bool]

    def client(self, timeout: float) -> PrometheusClient:
        """Return a client for one thread."""
        return PrometheusClient(
            self.url, self.auth, timeout,
            password_file=self.password_file, certificate=self.certificate, owner=os.geteuid(),
            has_ended=self.has_ended,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Status:
    """Prometheus at one moment.

    `document` is its part of `status/daemon.json`, `error` what is wrong, in words. `connection` is None
    while it serves nothing, `data_folder` before its first start is prepared.
    """

    phase: Phase
    document: Mapping[str, Any]
    outages: Outages
    files: Files = field(default_factory=dict)
    connection: Connection | None = None
    data_folder: Path | None = None
    pid: int | None = None
    error: str = ""

    @property
    def url(self) -> str | None:
        return self.connection.url if self.connection else None


def client_of(connection: Connection | None, phase: Phase, timeout: float) -> PrometheusClient:
    """Return a client for one thread. Raises PrometheusUnavailableError while nothing is served."""
    if connection is None:
        raise PrometheusUnavailableError(f"Prometheus is {phase.value}, and serves nothing yet")
    return connection.client(timeout)


class StatusBoard:
    """The latest status. `files_changed` is called when there are other files to publish."""

    def __init__(self, outages: Outages, files_changed: Callable[[], None]) -> None:
        self.latest = Status(Phase.STOPPED, before_launch(outages), outages)
        self._files_changed = files_changed

    def post(self, status: Status) -> None:
        """Replace the latest status."""
        before, self.latest = self.latest, status
        if status.files != before.files:
            self._files_changed()

    @property
    def pid(self) -> int | None:
        return self.latest.pid

    def is_ready(self) -> bool:
        """Say whether Prometheus answers queries."""
        return self.latest.phase is Phase.RUNNING

    def connect(self, timeout: float) -> PrometheusClient:
        """Return a client for one thread. Raises PrometheusUnavailableError while nothing is served."""
        status = self.latest
        return client_of(status.connection, status.phase, timeout)

    def outages(self) -> Outages:
        """Return all outages that are known."""
        return self.latest.outages

    def data_folder(self) -> Path:
        """Return where the data lie. Raises PrometheusUnavailableError before that is known."""
        if self.latest.data_folder is None:
            raise PrometheusUnavailableError("Prometheus is not prepared yet")
        return self.latest.data_folder
