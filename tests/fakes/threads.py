"""Threads that a test takes away for a while, as a limit does that all of a user's processes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from monitord.errors import PassingError
from monitord.system.background import on_a_thread

NO_THREAD = "no thread can be started"


@dataclass
class Threads:
    """Runs tasks, on threads or as told, while `are_left`."""

    run: Callable[[Callable[[], None]], None] = on_a_thread
    are_left: bool = True
    refused: int = field(default=0, init=False)

    def __call__(self, task: Callable[[], None]) -> None:
        if not self.are_left:
            self.refused += 1
            raise PassingError(NO_THREAD)
        self.run(task)
