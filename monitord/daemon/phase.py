"""The phases of a daemon's life, and the one that it is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """What `status/daemon.json` shows as `phase`."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    """Prometheus was given up."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_working(self) -> bool:
        """Whether the daemon neither stops nor has stopped."""
        return self in {Phase.STARTING, Phase.READY, Phase.DEGRADED}


@dataclass(slots=True)
class Lifecycle:
    """The current phase. Only the main thread changes it; any thread may read it."""

    phase: Phase = Phase.STARTING
    error: str = ""
    """Why the daemon failed; empty when it did not."""
    _observers: list[Callable[[Phase], None]] = field(default_factory=list)

    def observe(self, observer: Callable[[Phase], None]) -> None:
        """Have an observer called with each new phase, on the main thread."""
        self._observers.append(observer)

    def enter(self, phase: Phase) -> None:
        """Change the phase; nothing happens when it is the current one."""
        if phase is not self.phase:
            self.phase = phase
            for observer in self._observers:
                observer(phase)

    def follow(self, phase: Phase) -> None:
        """Change the phase as long as the daemon works: one that stops never becomes ready again."""
        if self.phase.is_working:
            self.enter(phase)

    def fail(self, error: Exception) -> None:
        """Note why the daemon ends."""
        self.error = str(error)
        self.enter(Phase.FAILED)
