"""The child processes that the main loop supervises: started, watched, and stopped with the daemon.

Today that is Prometheus alone. Another kind of child is one more `Child` in the list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from monitord.daemon.phase import Lifecycle, Phase

IDLE_SECONDS = 5.0
"""Until the next look where no child asks for an earlier one."""


class Child(Protocol):
    """A supervised child process."""

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""

    @property
    def has_given_up(self) -> bool:
        """Whether it failed so often that it is not started again by itself."""

    @property
    def is_saving(self) -> bool:
        """Whether it is still saving data for the next run."""

    @property
    def has_ended(self) -> bool:
        """Whether a stop that was asked for is complete."""

    def supervise(self) -> float | None:
        """Do what is due; return in how many seconds to look again, None where nothing is due."""

    def save_window(self) -> None:
        """Save the data of a window that was collected, where the settings ask for that."""

    def save_for_next_run(self) -> None:
        """Begin to save data that would be lost with this run; see `is_saving`."""

    def retry(self) -> None:
        """Start again after it has given up."""

    def stop(self) -> None:
        """Ask it to end; see `has_ended`."""

    def abandon(self) -> None:
        """Kill it: another daemon has the session."""

    def close(self) -> None:
        """Remove what only this run needs."""


@dataclass(slots=True)
class Supervision:
    """All children; none while the first is still being prepared."""

    lifecycle: Lifecycle
    children: list[Child] = field(default_factory=list)

    @property
    def is_saving(self) -> bool:
        return any(child.is_saving for child in self.children)

    @property
    def has_ended(self) -> bool:
        return all(child.has_ended for child in self.children)

    def add(self, child: Child) -> None:
        """Supervise one more."""
        self.children.append(child)

    def step(self) -> float:
        """Supervise each child; return in how many seconds to do so again."""
        pauses = [child.supervise() for child in self.children]
        self.lifecycle.follow(self._phase())
        return min((pause for pause in pauses if pause is not None), default=IDLE_SECONDS)

    def _phase(self) -> Phase:
        if any(child.has_given_up for child in self.children):
            return Phase.DEGRADED
        are_ready = self.children and all(child.is_ready for child in self.children)
        return Phase.READY if are_ready else Phase.STARTING

    def save_window(self) -> None:
        """Have each child save the data of a window that was collected. Any thread may call this."""
        for child in tuple(self.children):
            child.save_window()

    def save_for_next_run(self) -> None:
        """Have each child begin to save data that would be lost with this run."""
        for child in self.children:
            child.save_for_next_run()

    def retry(self) -> None:
        """Start again the children that have given up."""
        for child in self.children:
            child.retry()

    def stop(self) -> None:
        """Ask each child to end; `step` sees that through, until `has_ended`."""
        for child in self.children:
            child.stop()

    def abandon(self) -> None:
        """Kill the children at once: the session, and maybe their data, belong to another daemon."""
        for child in self.children:
            child.abandon()

    def close(self) -> None:
        """Remove what only this run needed."""
        for child in self.children:
            child.close()
