"""Collections of windows on threads: never two of one window at a time, and what came of each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from monitord.artifacts.attempt import Attempt
from monitord.errors import MonitordError, PassingError, PrometheusUnavailableError
from monitord.system.background import Workers
from monitord.windows.model import Window

# Collections mostly wait for Prometheus; more at once would only make each slower.
PARALLEL_COLLECTIONS = 2
RETRY_SECONDS = 2.0
REWRITE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Collected:
    """The result of a collection: the manifest's verdict and the folder of the artifacts.

    `slo` is the worst result of any SLO condition; None without conditions.
    """

    status: str
    folder: str
    reasons: tuple[str, ...] = ()
    slo: str | None = None


Collect = Callable[[Window, bool, Attempt], Collected]
"""Collects a window, on a thread; the flag is set when not all of its targets settled."""


@dataclass(frozen=True, slots=True)
class Running:
    """A collection that has begun, and the future of its result."""

    attempt: Attempt
    future: Future[Collected]


@dataclass(frozen=True, slots=True)
class Later:
    """The result of a collection that is to be tried again after a pause.

    With `settles_again`, the window's last scrapes may land meanwhile. Otherwise the artifacts could not be
    written.
    """

    pause_seconds: float
    reason: str
    settles_again: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """The result of a collection that failed for good; `defect` is an unexpected error."""

    reason: str
    defect: Exception | None = None


def result_of(future: Future[Collected]) -> Collected | Later | Failed:
    """Return the result of a collection that is done."""
    try:
        return future.result()
    except (PrometheusUnavailableError, PassingError) as error:
        return Later(RETRY_SECONDS, str(error), settles_again=True)
    except OSError as error:  # a full disk, say: there may be room again later
        where = f" ({error.filename})" if error.filename else ""
        reason = f"the artifacts cannot be written: {error.strerror or error}{where}; tried again by itself"
        return Later(REWRITE_SECONDS, reason, settles_again=False)
    except MonitordError as error:
        return Failed(str(error))
    except Exception as error:  # noqa: BLE001  # a defect of ours must not take the daemon down
        return Failed(f"internal error: {error!r}", error)


@dataclass(slots=True)
class Collections:
    """Begins and abandons collections; `wake` is called when one has ended."""

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
        """Abandon one, so that its artifacts never appear; return False when they may have."""
        if not running.attempt.abandon():
            return False
        running.future.cancel()
        self._abandoned[window_id] = running.future
        self._abandoned = {id_: future for id_, future in self._abandoned.items() if not future.done()}
        return True
