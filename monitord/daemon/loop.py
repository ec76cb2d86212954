"""A loop: one queue of wake-ups, and parts that are called when they are due.

A wake-up carries nothing but the name of a part. A part that fails is logged and called again: it
starts from what is there, so nothing is lost, and no other part is disturbed. The daemon has two, so that
one may stand still: the main loop, and on its own thread the one that works on the session folder.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any, Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from monitord.system.background import start_thread
from monitord.system.clock import Clock

FAILED_SECONDS = 2.0

Part = TypeVar("Part", bound=StrEnum)


class _Request(Enum):
    STOP = auto()


@dataclass(slots=True)
class _Scheduled(Generic[Part]):
    """A part of a loop; `step` returns in how many seconds it is due again."""

    part: Part
    step: Callable[[], float]
    due: float = 0.0
    failure: str = ""


def unguarded() -> None:
    """Be the guard of a loop that publishes nothing in the session folder."""


class Loop(Generic[Part]):
    """Calls parts, in order, until it is stopped.

    `guard` is called before every part; what it raises ends the loop.
    """

    def __init__(self, clock: Clock, log: FilteringBoundLogger, guard: Callable[[], None]) -> None:
        self._clock = clock
        self._log = log
        self._guard = guard
        # A SimpleQueue, because its put may be called from a signal handler and from any thread.
        self._wakes: queue.SimpleQueue[Part | _Request | Callable[[], None] | BaseException] = (
            queue.SimpleQueue()
        )
        self._scheduled: dict[Part, _Scheduled[Part]] = {}
        self.stop_requests = 0
        self.busy: tuple[Part, float] | None = None
        """Which part is being called now, and since when (monotonic seconds); None between two."""

    def add(self, part: Part, step: Callable[[], float]) -> None:
        """Add a part, or replace its step; parts are called in the order in which they were added."""
        self._scheduled[part] = _Scheduled(part, step)

    def remove(self, *parts: Part) -> None:
        """Call these parts no more."""
        for part in parts:
            self._scheduled.pop(part, None)

    def wake(self, part: Part) -> None:
        """Have a part called soon. Safe from any thread and from signal handlers."""
        self._wakes.put(part)

    def stop(self) -> None:
        """End the loop. Safe from any thread and from signal handlers."""
        self._wakes.put(_Request.STOP)

    def call_soon(self, task: Callable[[], None]) -> None:
        """Have something done between two parts, on the loop's own thread. Safe from any thread."""
        self._wakes.put(task)

    def fail(self, error: BaseException) -> None:
        """Have the loop end by raising this. Safe from any thread."""
        self._wakes.put(error)

    @property
    def failure(self) -> str:
        """What failed last of the parts that still fail; empty when all work."""
        scheduled = tuple(self._scheduled.values())  # another thread may ask
        return "; ".join(f"{each.part}: {each.failure}" for each in scheduled if each.failure)

    def run(self) -> None:
        """Call what is due until `stop` is asked for."""
        while not self.stop_requests:
            self.once()

    def once(self, longest: float = 60.0) -> None:
        """Call what is due, then wait for the next wake-up, or until something is due."""
        for each in tuple(self._scheduled.values()):  # one may remove or add others
            if each.due <= self._clock.monotonic() and self._scheduled.get(each.part) is each:
                self.busy = (each.part, self._clock.monotonic())
                try:
                    self._guard()
                    self._call(each)
                finally:
                    self.busy = None
        nearest = min((each.due for each in self._scheduled.values()), default=float("inf"))
        self._wait(min(max(nearest - self._clock.monotonic(), 0.0), longest))

    def _call(self, scheduled: _Scheduled[Part]) -> None:
        try:
            pause = scheduled.step()
        except Exception as error:  # noqa: BLE001  # whatever it is, the daemon goes on
            failure = f"{type(error).__name__}: {error}"
            if failure != scheduled.failure:  # logged once, not at every try
                self._log.exception("part.failed", part=scheduled.part)
            scheduled.failure = failure
            pause = FAILED_SECONDS
        else:
            scheduled.failure = ""
        scheduled.due = self._clock.monotonic() + pause

    def _wait(self, seconds: float) -> None:
        try:
            item = self._wakes.get(timeout=seconds) if seconds else self._wakes.get_nowait()
            while True:
                self._handle(item)
                item = self._wakes.get_nowait()
        except queue.Empty:
            pass

    def _handle(self, item: Part | _Request | Callable[[], None] | BaseException) -> None:
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, _Request):
            self.stop_requests += 1
        elif isinstance(item, StrEnum):
            if scheduled := self._scheduled.get(item):
                scheduled.due = 0.0
        else:
            item()


class LoopThread:
    """A loop on its own thread, which may stand still with the file system that it works on.

    What the loop raises is passed to `failed`.
    """

    def __init__(self, loop: Loop[Any], failed: Callable[[BaseException], None]) -> None:
        self._loop = loop
        self._failed = failed
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, begin: Callable[[], None], finish: Callable[[], None]) -> None:
        """Run the loop: `begin` is called first on its thread, and `finish` last, whatever came between.

        Raises PassingError where no thread can be started.
        """
        self._thread = start_thread(lambda: self._run(begin, finish), "session-folder")

    def end(self, seconds: float) -> bool:
        """Have it finish; wait no longer than this, and return whether it has."""
        self._ending.set()
        self._loop.stop()
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self, begin: Callable[[], None], finish: Callable[[], None]) -> None:
        try:
            begin()
            self._loop.run()
        except BaseException as error:  # noqa: BLE001  # it ends the daemon
            self._failed(error)
        self._ending.wait()
        finish()
