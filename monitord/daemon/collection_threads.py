"""Collections of windows, on threads beside the main loop: never two of one window at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from monitord.artifacts.attempt import Attempt
from monitord.system.background import Workers
from monitord.windows.model import Window

# Collections mostly wait for Prometheus; more at once would only make each slower.
PARALLEL_COLLECTIONS = 2


@dataclass(frozen=True, slots=True)
class Collected:
    """The result of a collection: the manifest's verdict and where the artifacts are.

    `slo` is the worst that became of a condition; None without any.
    """

    status: str
    folder: str
    reasons: tuple[str, ...] = ()
    slo: str | None = None


Collect = Callable[[Window, bool, Attempt], Collected]
"""Collects a window; the flag says that its targets did not all settle. Runs on a thread."""


@dataclass(frozen=True, slots=True)
class Running:
    """A collection that was begun, and where its result will be."""

    attempt: Attempt
    future: Future[Collected]


@dataclass(slots=True)
class Collections:
    """Begins and abandons collections; `wake` is called whenever one has ended."""

    wake: Callable[[], None]
    _workers: Workers[Collected] = field(default_factory=lambda: Workers(PARALLEL_COLLECTIONS))
    _abandoned: dict[str, Future[Collected]] = field(default_factory=dict)

    def begin(self, collect: Collect, window: Window, unsettled: bool) -> Running | None:
        """Begin one; None while an abandoned one of the same window is still on its thread."""
        earlier = self._abandoned.pop(window.id, None)
        if earlier is not None and not earlier.done():
            self._abandoned[window.id] = earlier
            return None
        attempt = Attempt()
        future = self._workers.submit(collect, window, unsettled, attempt)
        future.add_done_callback(lambda _: self.wake())
        return Running(attempt, future)

    def abandon(self, window_id: str, running: Running) -> bool:
        """Have nothing come of one; return False when its artifacts may have appeared already."""
        if not running.attempt.abandon():
            return False
        running.future.cancel()
        self._abandoned[window_id] = running.future
        self._abandoned = {id_: future for id_, future in self._abandoned.items() if not future.done()}
        return True
