"""The main loop: one queue of wake-ups, and parts that are called when they are due.

A wake-up carries nothing but the name of a part. A part that fails is logged and called again: it
starts from what is there, so nothing is lost, and no other part is disturbed.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from monitord.clock import Clock

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
        self._wakes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._parts: dict[str, Part] = {}
        self.stop_requests = 0

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

    @property
    def failure(self) -> str:
        """What failed last of the parts that still fail; empty when all work."""
        return "; ".join(f"{part.name}: {part.failure}" for part in self._parts.values() if part.failure)

    def run(self) -> None:
        """Call what is due until `stop` is asked for."""
        while not self.stop_requests:
            self.once()

    def once(self, longest: float = 60.0) -> None:
        """Call what is due, then wait for the next wake-up, or until something is due."""
        for part in tuple(self._parts.values()):  # one may remove or add others
            if part.due <= self._clock.monotonic() and self._parts.get(part.name) is part:
                self._guard()
                self._call(part)
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
            name = self._wakes.get(timeout=seconds) if seconds else self._wakes.get_nowait()
            while True:
                self._take(name)
                name = self._wakes.get_nowait()
        except queue.Empty:
            pass

    def _take(self, name: str) -> None:
        if name == STOP:
            self.stop_requests += 1
        elif name in self._parts:
            self._parts[name].due = 0.0
