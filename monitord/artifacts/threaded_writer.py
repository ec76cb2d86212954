"""Files that a thread writes while what comes next is read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from monitord.system.background import Workers


class ThreadedWriter:
    """Writes one thing after another on a thread; at most one is waiting or being written.

    What a task raises is raised by the next call.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._thread: Workers[None] = Workers(1)
        self._stack.callback(self._thread.close)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writing is not None:
            self._writing.exception()  # waits: nothing is written into a closed file
        self._stack.close()

    def _submit(self, task: Callable[..., None], *arguments: Any) -> None:
        self._wait()
        self._writing = self._thread.submit(task, *arguments)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()
