"""The work on the session folder: what its loop calls, from the first heartbeat to the last one."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from monitord.artifacts import store
from monitord.daemon.handover import Handover
from monitord.daemon.health import HealthPoll
from monitord.daemon.heartbeat import Heartbeat
from monitord.daemon.parts import FolderPart, MainPart
from monitord.daemon.reload import Reload
from monitord.daemon.shared import Shared
from monitord.daemon.supervision import Supervision
from monitord.daemon.targets import TargetReconciler
from monitord.daemon.watching import Watching
from monitord.daemon.windows import WindowReconciler
from monitord.prometheus.child.supervised import SupervisedPrometheus
from monitord.session.lease import HEARTBEAT_SECONDS, HeldError
from monitord.system.atomic import remove_leftovers

CERTIFICATE_SECONDS = 60.0
"""How often the certificate is read again: others renew it."""

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class FolderWork:
    """The parts that work on the session folder, on the thread of that loop.

    `prepare_prometheus` makes the supervised Prometheus. It takes long, and reads the session folder.
    """

    shared: Shared
    targets: TargetReconciler
    prepare_prometheus: Callable[[], SupervisedPrometheus]
    supervision: Supervision
    health: HealthPoll
    windows: WindowReconciler
    watching: Watching
    handover: Handover | None
    heartbeat: Heartbeat
    reload: Reload

    def begin(self) -> None:
        """Prepare everything and add the parts; the main loop then supervises Prometheus."""
        loop = self.shared.folder_loop
        self.heartbeat.publish()
        self._remove_leftovers()
        # Targets first: Prometheus then finds them when it starts, and need not wait for a refresh.
        loop.add(FolderPart.TARGETS, self._reconcile_targets)
        loop.once(longest=0.0)
        self._add_prometheus(self.prepare_prometheus())
        loop.add(FolderPart.RELOAD, self.reload.step)
        loop.add(FolderPart.WINDOWS, self._reconcile_windows)
        loop.add(FolderPart.HEALTH, self.health.poll)
        loop.add(FolderPart.TARGET_STATUSES, self._publish_target_statuses)
        if self.handover:
            loop.add(FolderPart.HANDOVER, self.handover.step)
        loop.add(FolderPart.HEARTBEAT, self.heartbeat.publish)
        self.watching.start()
        gc.freeze()  # what is here to stay need not be traversed by every garbage collection
        main = self.shared.loop
        main.call_soon(lambda: main.add(MainPart.CHILDREN, self.supervision.step))

    def finish(self) -> None:
        """End with a last heartbeat."""
        self.watching.stop()
        # On a full disk the last heartbeat stands, and grows old; that of a successor is not ours.
        with suppress(OSError, HeldError):
            self.shared.session.confirm()
            self.heartbeat.publish()

    def _remove_leftovers(self) -> None:
        """Remove what a crash of an earlier daemon left half written."""
        session = self.shared.session
        store.clean(session.artifacts)
        for folder in (session.status, session.target_statuses, session.window_statuses, session.prometheus):
            remove_leftovers(folder)

    def _add_prometheus(self, prometheus: SupervisedPrometheus) -> None:
        """Have it supervised, and follow the targets' credentials, the certificate and the settings."""

        def push_credentials() -> float:
            prometheus.use_credentials(self.targets.credentials)
            return NEVER

        def renew_certificate() -> float:
            use = prometheus.read_certificate()
            if use is not None:
                self.shared.loop.call_soon(use)
            return CERTIFICATE_SECONDS

        self.supervision.add(prometheus)
        self.shared.settings.follow(prometheus.apply_settings)
        self.shared.folder_loop.add(FolderPart.CONFIG, push_credentials)
        self.shared.folder_loop.add(FolderPart.CERTIFICATE, renew_certificate)

    def _reconcile_targets(self) -> float:
        due = self.targets.reconcile()
        self.watching.keep()
        return self._until_poll(due)

    def _reconcile_windows(self) -> float:
        return self._until_poll(self.windows.reconcile())

    def _until_poll(self, due: float | None) -> float:
        return min(self.shared.settings.current.watch.poll_interval, NEVER if due is None else due)

    def _publish_target_statuses(self) -> float:
        return 0.0 if self.targets.publish_statuses() else HEARTBEAT_SECONDS
