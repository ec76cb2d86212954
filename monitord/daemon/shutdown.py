"""The end of the daemon: windows are collected, data saved and children stopped, while there is time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.handover import Handover
from monitord.daemon.live_settings import LiveSettings
from monitord.daemon.loop import Loop
from monitord.daemon.parts import FolderPart, MainPart
from monitord.daemon.phase import Lifecycle, Phase
from monitord.daemon.stalls import StallWatch
from monitord.daemon.supervision import Supervision
from monitord.daemon.windows import WindowReconciler
from monitord.system.clock import Clock

SNAPSHOT_SECONDS = 10.0
"""How long the last snapshot may take at least, also when the windows took all the time there was."""

LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Shutdown:
    """What is stopped in order. A second request to stop (`Loop.stop_requests`) skips what takes long."""

    clock: Clock
    settings: LiveSettings
    lifecycle: Lifecycle
    loop: Loop[MainPart]
    folder_loop: Loop[FolderPart]
    stalls: StallWatch
    allocation: AllocationWatch
    handover: Handover | None
    supervision: Supervision
    windows: WindowReconciler
    _has_windows: bool = True
    """Whether windows may still be open or under way; the other loop says when none is."""

    def run(self) -> None:
        """Collect what is open while there is time, then stop the children cleanly."""
        is_closing = self.allocation.is_closing
        seconds = self.allocation.seconds_left if is_closing else self.settings.current.shutdown_timeout
        deadline = self.clock.monotonic() + seconds
        self.lifecycle.enter(Phase.STOPPING)
        self.loop.remove(MainPart.ALLOCATION)
        self._collect_windows(seconds, deadline, withdraw=not is_closing)
        self._save_data(max(deadline, self.clock.monotonic() + SNAPSHOT_SECONDS))
        self.supervision.stop()
        self._supervise_while(lambda: not self.supervision.has_ended)
        self.lifecycle.enter(Phase.STOPPED)

    def _collect_windows(self, seconds: float, deadline: float, *, withdraw: bool) -> None:
        self.folder_loop.call_soon(lambda: self._begin_closing(seconds, withdraw=withdraw))
        self._supervise_while(lambda: self._has_windows and self._may_take_until(deadline))
        self.folder_loop.call_soon(lambda: self.folder_loop.remove(FolderPart.WINDOWS))

    def _begin_closing(self, seconds: float, *, withdraw: bool) -> None:
        """Take on nothing new, and cancel the successor where the session ends on purpose."""
        self.windows.shorten_deadline(seconds)
        self.folder_loop.remove(FolderPart.TARGETS, FolderPart.HANDOVER)
        if self.handover and withdraw:
            self.handover.withdraw()
        self.folder_loop.add(FolderPart.WINDOWS, self._close_windows)
        self.folder_loop.wake(FolderPart.HEARTBEAT)

    def _close_windows(self) -> float:
        self.windows.close_open()
        self._has_windows = self.windows.advance()
        return LOOK_SECONDS

    def _save_data(self, deadline: float) -> None:
        """Wait for the last snapshot, unless the folder that it goes to does not answer."""
        self.supervision.save_for_next_run()
        self._supervise_while(
            lambda: self.supervision.is_saving and not self.stalls.text and self._may_take_until(deadline)
        )

    def _may_take_until(self, deadline: float) -> bool:
        return self.loop.stop_requests <= 1 and self.clock.monotonic() < deadline

    def _supervise_while(self, condition: Callable[[], bool]) -> None:
        while condition():
            self.loop.once(longest=LOOK_SECONDS)
