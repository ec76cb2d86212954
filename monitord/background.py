"""One question at a time, asked beside the main loop.

What may take long, or for ever on a file system that hangs, must hold up neither the loop nor the
daemon's end: the thread is given up on, not waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")
Run = Callable[[Callable[[], None]], None]


def on_a_thread(task: Callable[[], None]) -> None:
    """Run a task on a thread that nothing waits for, not even the end of the program."""
    threading.Thread(target=task, daemon=True).start()


class Background(Generic[T]):
    """Where one kind of question is asked; `wake` is called when an answer has come."""

    def __init__(self, wake: Callable[[], None], run: Run = on_a_thread) -> None:
        self._wake = wake
        self._run = run
        self._asked: Future[T] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a question was asked whose answer has not been taken."""
        return self._asked is not None

    def ask(self, question: Callable[[], T]) -> None:
        """Ask, unless an answer is still to come or to be taken."""
        if self._asked is not None:
            return
        asked: Future[T] = Future()
        self._asked = asked

        def answer() -> None:
            try:
                asked.set_result(question())
            except Exception as error:  # noqa: BLE001  # handed on to whoever takes the answer
                asked.set_exception(error)
            self._wake()

        self._run(answer)

    def take(self) -> Future[T] | None:
        """Return the answer, done, once; None while there is none."""
        if self._asked is None or not self._asked.done():
            return None
        answer, self._asked = self._asked, None
        return answer

    def forget(self) -> None:
        """Take no interest in the answer that is still to come."""
        self._asked = None
