"""Snapshots of Prometheus's data: taken, restored and reported. They run on threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from monitord.errors import MonitordError, PassingError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.child.launch import Launch
from monitord.prometheus.data.restore import restore
from monitord.prometheus.data.snapshot_store import Snapshot, take_snapshot
from monitord.session.held import HeldSession
from monitord.system.background import Background, Run
from monitord.system.clock import Clock
from monitord.system.timestamps import to_iso

PATIENCE_SECONDS = 600.0
"""For Prometheus to write all of its data; nothing waits for it."""
RESTORE_TRIES = 30
"""How often a start waits for an unreadable history before Prometheus is started without it."""


@dataclass(slots=True)
class Snapshots:
    """Takes one snapshot at a time; a request that comes meanwhile is served next."""

    session: HeldSession
    clock: Clock
    log: FilteringBoundLogger
    connect: Callable[[float], PrometheusClient]
    wake: Callable[[], None]
    run: Run
    failure: str = ""
    newest: Snapshot | None = None
    _taking: Background[Snapshot | None] = field(init=False)
    _wanted: bool = False
    _failed_restores: int = 0

    def __post_init__(self) -> None:
        self._taking = Background(self.wake, self.run)

    @property
    def is_under_way(self) -> bool:
        return self._wanted or self._taking.is_busy

    def want(self) -> None:
        """Request a snapshot of the data as they are now."""
        self._wanted = True
        self.wake()

    def forget(self) -> None:
        """Drop the request: Prometheus does not run."""
        self._wanted = False

    def advance(self, launch: Launch) -> None:
        """Report a snapshot that was taken, and begin one that was requested. Only while Prometheus runs."""
        answer = self._taking.take()
        if answer is not None:
            try:
                self._report(answer.result())
            except PassingError:
                self._wanted = True
            except MonitordError as error:
                self.failure = f"no snapshot of the data could be taken: {error}"
                self.log.error("prometheus.snapshot_failed", reason=str(error))
        if self._wanted and not self._taking.is_busy:
            self._wanted = False
            self._taking.ask(lambda: self._take(launch))

    def restore(self, launch: Launch) -> None:
        """Restore a session's history into an empty data folder. For a thread, before a start.

        Raises OSError when a later try may succeed: a Prometheus that was started without its history does
        not get it later.
        """
        try:
            restored = restore(self.session.snapshots, launch.storage.folder)
        except (MonitordError, OSError) as error:
            self._failed_restores += 1
            if isinstance(error, OSError) and self._failed_restores < RESTORE_TRIES:
                raise
            self.log.error("prometheus.not_restored", reason=str(error))  # better without than not at all
            return
        if restored:
            newest = to_iso(restored.span.newest)
            self.log.info("prometheus.restored", snapshot=restored.snapshot, to=newest)

    def _take(self, launch: Launch) -> Snapshot | None:
        data, version = launch.storage.folder, str(launch.build.version)
        with self.connect(PATIENCE_SECONDS) as client:
            return take_snapshot(
                client.snapshot, data, self.session.snapshots, self.clock.now(), version, self.session.confirm
            )

    def _report(self, snapshot: Snapshot | None) -> None:
        self.failure = ""
        if snapshot is not None:
            self.newest = snapshot
            self.log.info(
                "prometheus.snapshot_taken", folder=str(snapshot.folder), bytes=snapshot.bytes,
                to=to_iso(snapshot.span.newest),
            )  # fmt: skip
