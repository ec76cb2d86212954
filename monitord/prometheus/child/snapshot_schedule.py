"""Snapshots of Prometheus's data, taken and put back beside the main loop, and told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from monitord.documents.timestamps import to_iso
from monitord.errors import MonitordError, PassingError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.child.launch import Launch
from monitord.prometheus.data.restore import restore
from monitord.prometheus.data.snapshot_store import Snapshot, take_snapshot
from monitord.session.held import HeldSession
from monitord.system.background import Background, Run
from monitord.system.clock import Clock

PATIENCE_SECONDS = 600.0
"""For Prometheus to write all that it has; nothing waits for it."""
RESTORE_TRIES = 30
"""How often a start waits for a history that cannot be read, before Prometheus is started without."""


@dataclass(slots=True)
class Snapshots:
    """One snapshot at a time; one that is asked for meanwhile comes after it."""

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
        """Ask for one of the data as they are now."""
        self._wanted = True
        self.wake()

    def forget(self) -> None:
        """Take none any more: nobody is there to take one."""
        self._wanted = False

    def advance(self, launch: Launch) -> None:
        """Tell of what was taken, and begin what is wanted; call this while Prometheus runs."""
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
        """Put a session's history back into data that hold nothing. For a thread, before a start.

        Raises OSError when that may work in a moment: a Prometheus that is started without its history
        does not get it later.
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
