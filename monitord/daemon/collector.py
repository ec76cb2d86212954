"""Collecting windows in another process, which alone holds numpy and pyarrow, and the samples.

The process is started with the first window, serves the following ones, one at a time, and is ended when it
has been idle for a while. If it ends by itself, it is started again once for the same window.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from signal import Signals

from msgspec import DecodeError
from structlog.typing import FilteringBoundLogger

from monitord.artifacts.collector_messages import (
    Asked,
    Done,
    Going,
    Order,
    Refused,
    Unavailable,
    Unwritten,
    pack,
    read_reply,
    to_line,
    unpack_collected,
)
from monitord.collect.collected_window import CollectedWindow
from monitord.errors import ExitCode, MonitordError, PrometheusError, PrometheusUnavailableError, is_passing
from monitord.prometheus.api.connection_info import ConnectionInfo
from monitord.session.folder import Session
from monitord.system.atomic import TEMPORARY_PREFIX
from monitord.system.background import start_thread
from monitord.system.children import InteractiveChild, child_environment, python_module, spawn_interactive

READER = python_module("monitord.artifacts.window_collector")
IDLE_SECONDS = 60.0
PATIENCE_SECONDS = 75.0
"""After how long without a line it is taken to hang: an answer of Prometheus may take a minute."""
END_SECONDS = 2.0
START_PATIENCE_SECONDS = 30.0
"""How long to go on trying to start it while no process or thread is available."""
START_AGAIN_SECONDS = 1.0


class _LostError(Exception):
    """The process could not reply."""


class _EndedError(_LostError):
    """It ended by itself: another one may succeed."""


class _NoProcessError(_LostError):
    """It cannot be started at this moment."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Files by their path in the artifact folder, and the number of rows of each."""

    files: Mapping[str, Path] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)


Collection = tuple[CollectedWindow, Samples]


class Collector:
    """The process that collects windows, and the thread that waits for it."""

    def __init__(
        self,
        log: FilteringBoundLogger,
        session: Session,
        reader: Sequence[str] = READER,
        idle: float = IDLE_SECONDS,
        patience: float = PATIENCE_SECONDS,
        start_patience: float = START_PATIENCE_SECONDS,
    ) -> None:
        self._log = log
        self._artifacts = session.artifacts
        # It ignores its argument, which shows in a list of processes whose it is.
        self._reader = (*reader, str(session.folder))
        self._idle = idle
        self._patience = patience
        self._start_patience = start_patience
        self._jobs: SimpleQueue[tuple[Order, Future[Collection]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._child: InteractiveChild | None = None
        self._closed = threading.Event()

    @property
    def pid(self) -> int | None:
        """The process's id while there is one; any thread may ask."""
        child = self._child
        return child.pid if child else None

    @contextmanager
    def collecting(self, server: ConnectionInfo, asked: Asked, keep_samples: bool) -> Iterator[Collection]:
        """Collect a window, and yield what came of it, with the files made of its samples.

        These are the summary of all series and, if they are to be kept, the raw samples. They are removed
        after the context. Raises PrometheusUnavailableError when a later try may succeed, PassingError when
        no thread can be started now, OSError when a file cannot be written, and MonitordError when the window
        cannot be collected.
        """
        self._start_thread()
        # By its name, a folder that a crash leaves here is removed with other leftovers.
        folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}samples-", dir=self._artifacts))
        future: Future[Collection] = Future()
        self._jobs.put((Order(server, pack(asked), str(folder), keep_samples), future))
        try:
            yield future.result()
        finally:
            future.cancel()  # a running order goes on; its files are removed afterwards
            future.add_done_callback(lambda _: shutil.rmtree(folder, ignore_errors=True))

    def close(self) -> None:
        """End the process, also while it is reading."""
        with self._lock:
            self._closed.set()
            child, thread = self._child, self._thread
        self._jobs.put(None)
        if child is not None:
            child.end_input()
        if thread is not None:
            thread.join(END_SECONDS)
        if child is not None:
            child.kill()

    def _start_thread(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = start_thread(self._serve, "samples")

    def _serve(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._idle if self._child else None)
            except Empty:
                self._drop()
                continue
            if job is None:
                break
            order, future = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._read(order))
                except BaseException as error:  # noqa: BLE001  # the waiting thread gets it
                    future.set_exception(error)
        self._drop()

    def _read(self, order: Order) -> Collection:
        """Carry out an order, in a second process if the first one ends."""
        try:
            try:
                return self._exchange_once_started(order)
            except _EndedError as error:
                self._log.warning("collector.ended", reason=str(error), consequence="it is started again")
                return self._exchange_once_started(order)
        except _NoProcessError as error:
            raise PrometheusUnavailableError(f"the process that collects windows {error}") from error
        except _LostError as error:
            self._log.error("collector.lost", reason=str(error), consequence="the window is not collected")
            raise MonitordError(
                f"the process that collects windows {error}; monitord window recollect tries again"
            ) from error

    def _exchange_once_started(self, order: Order) -> Collection:
        """Send an order to the process, once that can be started."""
        deadline = time.monotonic() + self._start_patience
        while True:
            try:
                return self._exchange(order)
            except _NoProcessError:
                if time.monotonic() >= deadline or self._closed.wait(START_AGAIN_SECONDS):
                    raise

    def _exchange(self, order: Order) -> Collection:
        child = self._running()
        try:
            reply = self._ask(child, order)
        except _LostError:
            child.kill()
            self._drop()
            raise
        match reply:
            case Unavailable():
                raise PrometheusUnavailableError(reply.reason)
            case Unwritten():
                raise OSError(reply.number, reply.reason, reply.file)
            case Refused():
                raise PrometheusError(reply.reason)
        samples = Samples({path: Path(file) for path, file in reply.files.items()}, reply.rows)
        return unpack_collected(reply.collected), samples

    def _ask(self, child: InteractiveChild, order: Order) -> Done | Refused | Unavailable | Unwritten:
        try:
            child.send_line(to_line(order))
        except (OSError, ValueError):  # ValueError: `close` has closed its input
            raise _ended(child.wait(END_SECONDS)) from None
        while True:
            line = child.read_line(self._patience)
            if line is None:
                raise _LostError(f"did not reply for {self._patience:g} s, and was killed")
            if not line:
                raise _ended(child.wait(END_SECONDS))
            try:
                reply = read_reply(line)
            except DecodeError as error:
                raise _LostError("sent an invalid reply") from error
            if not isinstance(reply, Going):
                return reply

    def _running(self) -> InteractiveChild:
        with self._lock:
            if self._closed.is_set():
                raise _LostError("ended with the daemon")
            if self._child is None:
                # Python's own variables may be needed to find monitord.
                ours = {name: text for name, text in os.environ.items() if name.startswith("PYTHON")}
                try:
                    self._child = spawn_interactive(self._reader, {**child_environment(os.environ), **ours})
                except OSError as error:
                    kind = _NoProcessError if is_passing(error) else _LostError
                    raise kind(f"cannot be started: {error.strerror}") from error
            return self._child

    def _drop(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.dismiss(END_SECONDS)


def _ended(code: int | None) -> _LostError:
    if code == ExitCode.TRY_AGAIN:
        return _NoProcessError("could not start a thread")
    return _EndedError(_ending(code))


def _ending(code: int | None) -> str:
    if code is None:
        return "closed its output"
    return f"was killed by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
