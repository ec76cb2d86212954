"""Closed windows on their way to a result: they wait for their last scrapes, then they are collected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from monitord.daemon.collection_threads import (
    RETRY_SECONDS,
    Collect,
    Collected,
    Collections,
    Failed,
    Later,
    Running,
    result_of,
)
from monitord.daemon.window_statuses import WindowStatuses
from monitord.windows.lifecycle import State
from monitord.windows.model import Window

LONGEST_PAUSE_SECONDS = 10.0
"""Rounds of a window that is settling come four times a second."""
SETTLING_SECONDS = 0.25
WAITS_FOR_EARLIER = "an earlier collection of this window, which is not wanted any more, has not ended yet"

Settled = Callable[[float], bool]
"""Returns whether every target has a scrape later than a time (Unix seconds)."""


@dataclass(slots=True)
class _UnderWay:
    window: Window
    since: float
    looked_at: float
    running: Running | None = None
    retry_at: float = 0.0
    settled: bool = False
    failure: str = ""


@dataclass(slots=True)
class WindowsUnderWay:
    """The windows that are settled or collected now. Times are monotonic seconds.

    A window settles for `settle_seconds` at most. `wake` is called when a collection has ended.
    """

    log: FilteringBoundLogger
    statuses: WindowStatuses
    settled: Settled
    collect: Collect
    settle_seconds: float
    wake: Callable[[], None]
    _under_way: dict[str, _UnderWay] = field(default_factory=dict)
    _collections: Collections = field(init=False)

    def __post_init__(self) -> None:
        self._collections = Collections(self.wake)

    def __contains__(self, window_id: str) -> bool:
        return window_id in self._under_way

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._under_way))

    def __len__(self) -> int:
        return len(self._under_way)

    def window(self, window_id: str) -> Window | None:
        """Return the window of this id that is under way."""
        found = self._under_way.get(window_id)
        return found.window if found else None

    def is_collected(self, window_id: str) -> bool:
        """Return whether a window is being collected; its times do not change any more."""
        found = self._under_way.get(window_id)
        return found is not None and found.running is not None

    def begin(self, window: Window, now: float) -> None:
        """Take on a closed window."""
        self.log.info(
            "window.closed", window=window.id, truncated=window.truncated, seconds=round(window.seconds, 3)
        )
        self._under_way[window.id] = _UnderWay(window, now, now)
        self.statuses.update_closed(window, State.SETTLING)

    def drop(self, window_id: str) -> bool:
        """Stop working on a window; return False where its artifacts may have appeared already."""
        found = self._under_way.get(window_id)
        if found and found.running and not self._collections.abandon(window_id, found.running):
            return False
        self._under_way.pop(window_id, None)
        return True

    def advance(self, window_id: str, now: float) -> Collected | Later | Failed | float:
        """Take a window a step further; return its result, or in how many seconds to go on."""
        work = self._under_way[window_id]
        if work.running is not None:
            if not work.running.future.done():
                return RETRY_SECONDS  # the thread wakes the loop when it is done
            return self._finish(work, work.running, now)
        if now < work.retry_at:
            return work.retry_at - now
        # The time in which the daemon stood still, as when the file system hung, does not count.
        work.since += max(now - work.looked_at - LONGEST_PAUSE_SECONDS, 0.0)
        work.looked_at = now
        overdue = now - work.since >= self.settle_seconds
        if not work.settled and not overdue:
            work.settled = self.settled(work.window.end)
            if not work.settled:
                return SETTLING_SECONDS
        work.running = self._collections.begin(self.collect, work.window, not work.settled)
        if work.running is None:
            self.statuses.update_closed(work.window, State.SETTLING, WAITS_FOR_EARLIER)
        else:
            self.statuses.update_closed(work.window, State.COLLECTING)
        return RETRY_SECONDS

    def _finish(self, work: _UnderWay, running: Running, now: float) -> Collected | Later | Failed:
        result = result_of(running.future)
        if not isinstance(result, Later):
            del self._under_way[work.window.id]
            return result
        if result.settles_again:
            work.since = now
        elif work.failure != result.reason:
            self.log.error("window.not_written", window=work.window.id, reason=result.reason)
            work.failure = result.reason
        work.running, work.retry_at = None, now + result.pause_seconds
        return result

    def stop(self) -> None:
        """Begin no more collections. Any thread may call this: the one that works on windows may hang."""
        for work in tuple(self._under_way.values()):
            if work.running is not None:
                work.running.future.cancel()
