"""What the parts of the daemon share: the session, its settings, the log, the clock and the two loops."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from structlog.typing import FilteringBoundLogger

from monitord.daemon.live_settings import LiveSettings
from monitord.daemon.log_files import Logs
from monitord.daemon.loop import Loop, LoopThread, unguarded
from monitord.daemon.parts import FolderPart, MainPart
from monitord.daemon.phase import Lifecycle, Phase
from monitord.daemon.stalls import StallWatch
from monitord.session.fence import Fence
from monitord.session.folder import Session
from monitord.session.held import HeldSession, hold
from monitord.session.lease import Holder
from monitord.session.settings import Settings
from monitord.system.clock import Clock
from monitord.system.fresh_listing import listing_refresher

FOLDER_SECONDS = 3.0
"""How long each step of the end may wait for the session folder: the next daemon needs none of them."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the parts share. It is made before them, and torn down after them."""

    session: HeldSession
    holder: Holder
    clock: Clock
    settings: LiveSettings
    lifecycle: Lifecycle
    logs: Logs
    loop: Loop[MainPart]
    folder_loop: Loop[FolderPart]
    folder_thread: LoopThread
    stalls: StallWatch

    @property
    def log(self) -> FilteringBoundLogger:
        return self.logs.log

    def waker(self, part: MainPart | FolderPart) -> Callable[[], None]:
        """Return what wakes a part, whichever loop it belongs to."""
        if isinstance(part, MainPart):
            return partial(self.loop.wake, part)
        return partial(self.folder_loop.wake, part)


def build_shared(
    session: Session, holder: Holder, clock: Clock, settings: Settings, teardown: ExitStack
) -> Shared:
    """Make what the parts share. Raises PassingError where no thread can be started."""
    fence = Fence(session.lease, holder, clock, listing_refresher(session.lease))
    held, lifecycle = hold(session, fence.check), Lifecycle()
    logs = Logs(held, settings.logs)
    teardown.callback(logs.close, FOLDER_SECONDS)
    teardown.callback(_log_end, lifecycle, logs.log)
    loop = Loop[MainPart](clock, logs.log, unguarded)
    folder_loop = Loop[FolderPart](clock, logs.log, fence.check)
    folder_thread = LoopThread(folder_loop, loop.fail)
    stalls = StallWatch(folder_loop, clock, logs.log)
    teardown.callback(_end_thread, folder_thread, stalls, logs.log)
    return Shared(
        held, holder, clock, LiveSettings(settings), lifecycle, logs, loop, folder_loop, folder_thread, stalls
    )


def _end_thread(thread: LoopThread, stalls: StallWatch, log: FilteringBoundLogger) -> None:
    if not thread.end(FOLDER_SECONDS):
        log.error("session_folder.given_up", reason=stalls.text or "it does not answer")


def _log_end(lifecycle: Lifecycle, log: FilteringBoundLogger) -> None:
    if lifecycle.phase is Phase.STOPPED:
        log.info("daemon.stopped")
