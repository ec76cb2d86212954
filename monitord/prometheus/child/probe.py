"""One check of a Prometheus: whether it is ready, its vitals, and the progress of its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from monitord.errors import PrometheusError
from monitord.prometheus.api.vitals import Vitals


class ProbedClient(Protocol):
    """The part of the HTTP API that a look needs."""

    def ready(self) -> bool:
        """Return whether it is ready."""

    def metrics(self) -> str:
        """Return the metrics that it serves of itself."""

    def replay(self) -> tuple[int, int]:
        """Return how many segments of its write-ahead log are replayed, and how many there are."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    `vitals` are None while it is not ready, or where they cannot be read; `replay` is (done, all) segments of
    the write-ahead log, None once it is ready or while it does not answer.
    """

    ready: bool
    vitals: Vitals | None = None
    replay: tuple[int, int] | None = None


def look(client: ProbedClient) -> Finding:
    """Check a Prometheus; one that does not answer is not ready."""
    if client.ready():
        try:
            return Finding(True, Vitals.read(client.metrics()))
        except PrometheusError:
            return Finding(True)
    try:
        return Finding(False, replay=client.replay())
    except PrometheusError:
        return Finding(False)
