"""Work beside a loop: one question at a time on a thread, or tasks for a few threads.

Work that may take long, or for ever on a file system that hangs, must delay neither the loop nor the daemon's
end: such a thread is abandoned, not waited for. When no thread can be started (a user's processes share a
limit), the answer is an error like any other, and the next question can be asked.
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
"""Runs a task on a thread. Raises PassingError when it cannot be started now."""

NO_THREAD_SECONDS = 2.0
"""How long to wait before asking again where no thread could be started."""


def on_a_thread(task: Callable[[], None]) -> None:
    """Run a task on a daemon thread: not even the end of the program waits for it.

    Raises PassingError when no thread can be started.
    """
    start_thread(task)


def start_thread(task: Callable[[], None], name: str | None = None) -> threading.Thread:
    """Start a daemon thread and return it. Raises PassingError when none can be started."""
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
    """One kind of question, asked on a thread; `wake` is called when the answer has come."""

    def __init__(self, wake: Callable[[], None], run: Run = on_a_thread) -> None:
        self._wake = wake
        self._run = run
        self._asked: Future[T] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a question is pending, or its answer has not been taken."""
        return self._asked is not None

    def ask(self, question: Callable[[], T]) -> bool:
        """Ask, unless `is_busy`; return whether `wake` will be called.

        Where no thread can be started, the answer is that PassingError and `wake` is not called: a caller
        that asked again at once would never rest. It comes back by itself, after NO_THREAD_SECONDS say.
        """
        if self._asked is not None:
            return True
        asked: Future[T] = Future()

        def answer() -> None:
            try:
                asked.set_result(question())
            except Exception as error:  # noqa: BLE001  # `take` returns it
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
        """Return the answer, once; None while there is none."""
        if self._asked is None or not self._asked.done():
            return None
        answer, self._asked = self._asked, None
        return answer

    def forget(self) -> None:
        """Discard the answer that is still to come."""
        self._asked = None


class Workers(Generic[T]):
    """A few threads that run tasks in the order of submission; they are started with the first task.

    Not a ThreadPoolExecutor: the end of the program would wait for its threads.
    """

    def __init__(self, count: int, run: Run = on_a_thread) -> None:
        self._count = count
        self._run = run
        self._running = 0
        self._work: SimpleQueue[tuple[Future[T], Callable[..., T], tuple[Any, ...]] | None] = SimpleQueue()

    def submit(self, task: Callable[..., T], *arguments: Any) -> Future[T]:
        """Submit a task; return the future of its result.

        The result is a PassingError where no thread runs and none can be started.
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

    def close(self) -> None:
        """End the threads, each after what was submitted before; nothing can be submitted any more."""
        for _ in range(self._running):
            self._work.put(None)

    def _start(self) -> None:
        while self._running < self._count:
            self._run(self._serve)
            self._running += 1

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            _carry_out(*work)
            del work  # nothing is kept while there is nothing to do


def _carry_out(future: Future[T], task: Callable[..., T], arguments: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = task(*arguments)
    except BaseException as error:  # noqa: BLE001  # the future returns it
        future.set_exception(error)
    else:
        future.set_result(result)


def within(seconds: float, task: Callable[[], None], run: Run = on_a_thread) -> bool:
    """Run a task on a thread and wait for it, no longer than this; return whether it succeeded.

    Its exceptions are discarded: the caller may be gone when they come.
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
