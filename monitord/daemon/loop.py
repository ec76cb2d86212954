"""A loop: one queue of wake-ups, and parts that are called when they are due.

A wake-up carries nothing but the name of a part. A part that fails is logged and called again: it
starts from what is there, so nothing is lost, and no other part is disturbed. The daemon has two, so that
one may stand still: the main loop, and on a thread of its own the one that works on the session folder.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from monitord.system.background import start_thread
from monitord.system.clock import Clock

FAILED_SECONDS = 2.0
STOP = "stop"


@dataclass(slots=True)
class Part:
    """Something the loop does; `step` returns in how many seconds it is due again."""

    name: str
    step: Callable[[], float]
    due: float = 0.0
    failure: str = ""


class Loop:
    """Calls parts, in order, until it is stopped.

    `guard` is called before every part; what it raises ends the loop.
    """

    def __init__(
        self, clock: Clock, log: FilteringBoundLogger, guard: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._log = log
        self._guard = guard
        # A SimpleQueue, because its put may be called from a signal handler and from any thread.
        self._wakes: queue.SimpleQueue[str | Callable[[], None] | BaseException] = queue.SimpleQueue()
        self._parts: dict[str, Part] = {}
        self.stop_requests = 0
        self.busy: tuple[str, float] | None = None
        """Which part is being called now, and since when (monotonic seconds); None between two."""

    def add(self, name: str, step: Callable[[], float]) -> None:
        """Add a part; parts are called in the order in which they were added."""
        self._parts[name] = Part(name, step)

    def remove(self, *names: str) -> None:
        """Call these parts no more."""
        for name in names:
            self._parts.pop(name, None)

    def wake(self, name: str) -> None:
        """Have a part called soon. Safe from any thread and from signal handlers."""
        self._wakes.put(name)

    def stop(self) -> None:
        """End the loop. Safe from any thread and from signal handlers."""
        self._wakes.put(STOP)

    def call_soon(self, task: Callable[[], None]) -> None:
        """Have something done between two parts, on the loop's own thread. Safe from any thread."""
        self._wakes.put(task)

    def fail(self, error: BaseException) -> None:
        """Have the loop end by raising this. Safe from any thread."""
        self._wakes.put(error)

    @property
    def failure(self) -> str:
        """What failed last of the parts that still fail; empty when all work."""
        parts = tuple(self._parts.values())  # another thread may ask
        return "; ".join(f"{part.name}: {part.failure}" for part in parts if part.failure)

    def run(self) -> None:
        """Call what is due until `stop` is asked for."""
        while not self.stop_requests:
            self.once()

    def once(self, longest: float = 60.0) -> None:
        """Call what is due, then wait for the next wake-up, or until something is due."""
        for part in tuple(self._parts.values()):  # one may remove or add others
            if part.due <= self._clock.monotonic() and self._parts.get(part.name) is part:
                self.busy = (part.name, self._clock.monotonic())
                try:
                    self._guard()
                    self._call(part)
                finally:
                    self.busy = None
        nearest = min((part.due for part in self._parts.values()), default=float("inf"))
        self._wait(min(max(nearest - self._clock.monotonic(), 0.0), longest))

    def _call(self, part: Part) -> None:
        try:
            pause = part.step()
        except Exception as error:  # noqa: BLE001  # whatever it is, the daemon goes on
            failure = f"{type(error).__name__}: {error}"
            if failure != part.failure:  # told once, not at every try
                self._log.exception("part.failed", part=part.name)
            part.failure = failure
            pause = FAILED_SECONDS
        else:
            part.failure = ""
        part.due = self._clock.monotonic() + pause

    def _wait(self, seconds: float) -> None:
        try:
            item = self._wakes.get(timeout=seconds) if seconds else self._wakes.get_nowait()
            while True:
                self._take(item)
                item = self._wakes.get_nowait()
        except queue.Empty:
            pass

    def _take(self, item: str | Callable[[], None] | BaseException) -> None:
        if isinstance(item, BaseException):
            raise item
        if callable(item):
            item()
        elif item == STOP:
            self.stop_requests += 1
        elif item in self._parts:
            self._parts[item].due = 0.0


class LoopThread:
    """A loop on a thread of its own, which may stand still with the file system that it works on.

    `begin` is called there first and `finish` last, whatever came between. What raises goes to `failed`.
    """

    def __init__(
        self,
        loop: Loop,
        begin: Callable[[], None],
        finish: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._loop = loop
        self._begin = begin
        self._finish = finish
        self._failed = failed
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. Raises PassingError where no thread can be started."""
        self._thread = start_thread(self._run, "session-folder")

    def end(self, seconds: float) -> bool:
        """Have it finish; wait no longer than this, and return whether it has."""
        self._ending.set()
        self._loop.stop()
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._begin()
            self._loop.run()
        except BaseException as error:  # noqa: BLE001  # it ends the daemon
            self._failed(error)
        self._ending.wait()
        self._finish()
