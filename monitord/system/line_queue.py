"""A queue of lines for a file whose writes may block. A thread writes them.

A log is on the session's file system, or wherever standard error leads. While that hangs, lines wait in the
queue; those past a limit are dropped and counted. Logging itself never waits.
"""

from __future__ import annotations

import queue
from collections.abc import Callable

from monitord.system.background import start_thread

MOST_WAITING = 10_000
_END = None


class LineQueue:
    """Passes lines to `write`, in order, on one thread. Raises PassingError where none can be started."""

    def __init__(self, write: Callable[[str], None], most: int = MOST_WAITING) -> None:
        self._write = write
        self._waiting: queue.Queue[str | Callable[[], None] | None] = queue.Queue(most)
        self._lost = 0
        self._thread = start_thread(self._serve, "lines")

    def write(self, line: str) -> None:
        """Queue a line; it is dropped when the queue is full."""
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def call(self, task: Callable[[], None]) -> None:
        """Queue a task to run between two lines, such as reopening the file."""
        try:
            self._waiting.put_nowait(task)
        except queue.Full:
            self._lost += 1

    def close(self, seconds: float) -> bool:
        """Wait until all lines are written, no longer than this; return whether they are."""
        try:
            self._waiting.put(_END, timeout=seconds)
        except queue.Full:
            return False
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        while (item := self._waiting.get()) is not _END:
            if isinstance(item, str):
                self._write(item)
            else:
                item()
            if self._lost and self._waiting.empty():
                lost, self._lost = self._lost, 0
                self._write(f"monitord: {lost} lines were dropped here: this file could not be written")
