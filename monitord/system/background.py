"""What is done beside the main loop: one question at a time, or work by a few threads.

What may take long, or for ever on a file system that hangs, must hold up neither the loop nor the
daemon's end: the thread is given up on, not waited for. That no thread can be had (a limit that a user's
processes share) is an answer like any other, and leaves nothing behind that would keep the next question
from being asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from monitord.errors import PassingError

T = TypeVar("T")
Run = Callable[[Callable[[], None]], None]
"""Runs a task beside the main loop. Raises PassingError when it cannot be started now."""

NO_THREAD_SECONDS = 2.0
"""After how long to ask again where no thread could be started."""


def on_a_thread(task: Callable[[], None]) -> None:
    """Run a task on a thread that nothing waits for, not even the end of the program.

    Raises PassingError when no thread can be started.
    """
    start_thread(task)


def start_thread(task: Callable[[], None], name: str | None = None) -> threading.Thread:
    """Start such a thread and return it. Raises PassingError when none can be started."""
    thread = threading.Thread(target=task, name=name, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        raise PassingError(
            f"no thread can be started ({error}): this user's limit of processes or the memory is used up; "
            "tried again by itself"
        ) from error
    return thread


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

    def ask(self, question: Callable[[], T]) -> bool:
        """Ask, unless an answer is still to come or to be taken; say whether one will wake the asker.

        Where no thread can be started the answer is that PassingError. It wakes nobody, for an asker
        that asked again at once would never rest: it comes back by itself, after NO_THREAD_SECONDS say.
        """
        if self._asked is not None:
            return True
        asked: Future[T] = Future()

        def answer() -> None:
            try:
                asked.set_result(question())
            except Exception as error:  # noqa: BLE001  # handed on to whoever takes the answer
                asked.set_exception(error)
            self._wake()

        self._asked = asked
        try:
            self._run(answer)
        except PassingError as error:
            asked.set_exception(error)
            return False
        except BaseException:
            self._asked = None
            raise
        return True

    def take(self) -> Future[T] | None:
        """Return the answer, done, once; None while there is none."""
        if self._asked is None or not self._asked.done():
            return None
        answer, self._asked = self._asked, None
        return answer

    def forget(self) -> None:
        """Take no interest in the answer that is still to come."""
        self._asked = None


class Workers(Generic[T]):
    """A few threads that do work in the order in which it comes, started with the first of it.

    Not a ThreadPoolExecutor, whose threads are waited for when the program ends, whatever they wait for.
    """

    def __init__(self, count: int, run: Run = on_a_thread) -> None:
        self._count = count
        self._run = run
        self._running = 0
        self._work: SimpleQueue[tuple[Future[T], Callable[..., T], tuple[Any, ...]]] = SimpleQueue()

    def submit(self, task: Callable[..., T], *arguments: Any) -> Future[T]:
        """Have a task called with these arguments; return where its result will be.

        That is a PassingError where there is no thread to do it, and none can be started.
        """
        future: Future[T] = Future()
        try:
            self._start()
        except PassingError as error:
            if not self._running:
                future.set_exception(error)
                return future
        self._work.put((future, task, arguments))
        return future

    def _start(self) -> None:
        while self._running < self._count:
            self._run(self._serve)
            self._running += 1

    def _serve(self) -> None:
        while True:
            future, task, arguments = self._work.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = task(*arguments)
            except BaseException as error:  # noqa: BLE001  # handed on to whoever takes the result
                future.set_exception(error)
            else:
                future.set_result(result)


def within(seconds: float, task: Callable[[], None], run: Run = on_a_thread) -> bool:
    """Do something, but wait for it no longer than this; return whether it is done.

    What it raises is its own affair: whoever would have to know cannot wait for it.
    """
    done = threading.Event()

    def attempt() -> None:
        with suppress(Exception):
            task()
            done.set()

    try:
        run(attempt)
    except PassingError:
        return False
    return done.wait(seconds)
