"""The output of one run of Prometheus, read as it comes.

A thread reads it from a pipe, so that Prometheus never waits for its log file, which is on the session's file
system and may hang. The lines that are needed to judge the run are kept in memory.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import IO

from monitord.prometheus.child.logfmt import error_messages, listening_url
from monitord.prometheus.child.repeats import Repeats
from monitord.system.background import start_thread

MOST_LINE_BYTES = 16 * 1024
_HEAD_LINES = 2000
_TAIL_LINES = 300
_LAST_WORDS_SECONDS = 2.0


class Output:
    """The lines of a run; `keep` is called with the lines for the log, on a thread, and must not block.

    Raises PassingError where no thread can be started.
    """

    def __init__(self, stream: IO[bytes], keep: Callable[[str], None]) -> None:
        self.bytes = 0
        self._stream = stream
        self._keep = keep
        self._head: list[str] = []  # emptied once the URL is known
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._url: str | None = None
        self._thread = start_thread(self._read, "prometheus-output")

    def listening_url(self) -> str | None:
        """Return its URL, with the actual port; None while it does not listen."""
        if self._url is None and self._head:
            self._url = listening_url("\n".join(tuple(self._head)))
            if self._url is not None:
                self._head = []
        return self._url

    def errors(self) -> tuple[str, ...]:
        """Return the errors in the last lines, oldest first, without repetitions."""
        return error_messages("\n".join(tuple(self._tail)))

    def end(self) -> None:
        """Wait for the last lines of a process that has ended."""
        self._thread.join(_LAST_WORDS_SECONDS)

    def _read(self) -> None:
        repeats = Repeats()
        with self._stream as stream:
            while line := stream.readline(MOST_LINE_BYTES):
                self._take(line, repeats)
        for text in repeats.end():
            self._keep(text)

    def _take(self, line: bytes, repeats: Repeats) -> None:
        self.bytes += len(line)
        text = line.decode(errors="replace").rstrip("\n")
        self._tail.append(text)
        if self._url is None and len(self._head) < _HEAD_LINES:
            self._head.append(text)
        for each in repeats.take(text, time.monotonic()):
            self._keep(each)
