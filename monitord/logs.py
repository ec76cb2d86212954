"""The structured log: one JSON object a line in the session's log file, readable lines on a terminal.

The only place that configures structlog.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from monitord.shown import shown, shown_json

_OF_LINES = frozenset({"exception", "stack"})


class LogFile:
    """The log file, line by line; a full disk loses lines, never the daemon."""

    def __init__(self, path: Path, mode: int) -> None:
        self._path = path
        self._mode = mode
        self._file = self._open()

    def _open(self) -> TextIO:
        # A file name with stray bytes holds surrogates, which UTF-8 cannot; `\udc80` is how JSON does.
        file = self._path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
        self._path.chmod(self._mode)
        return file

    def reopen(self) -> None:
        """Go on in a new file where this one was moved away; raises OSError, and then goes on in the old."""
        file, before = self._open(), self._file
        self._file = file
        before.close()

    def write(self, line: str) -> None:
        try:
            self._file.write(f"{line}\n")
        except OSError as error:
            _Console(sys.stderr).msg(f"monitord: cannot write {self._path}: {error.strerror}; {line}")

    def close(self) -> None:
        self._file.close()


class _Console:
    """Standard error, line by line; one that is closed or full is no reason to stop the daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(line, file=self._stream, flush=True)

    info = warning = error = critical = msg


def open_log(file: LogFile, session: str, stream: TextIO | None = None) -> FilteringBoundLogger:
    """Return a logger that writes to the session's log file and to `stream` (default: standard error)."""
    stream = stream or sys.stderr
    to_line = structlog.processors.JSONRenderer(ensure_ascii=False)
    console: Processor | None = structlog.dev.ConsoleRenderer() if stream.isatty() else None

    def write(logger: WrappedLogger, name: str, event: EventDict) -> str:
        line = shown_json(str(to_line(logger, name, dict(event))))
        file.write(line)
        return str(console(logger, name, _shown(event))) if console else line

    logger: Any = structlog.wrap_logger(
        _Console(stream),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _in_order,
            write,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        session=session,
    )
    bound: FilteringBoundLogger = logger.bind()
    return bound


def _shown(event: EventDict) -> EventDict:
    """Have nothing in an event that a terminal would act on; what is no text is written by repr."""
    return {
        key: shown(item, keep="\n" if key in _OF_LINES else "") if isinstance(item, str) else item
        for key, item in event.items()
    }


def _in_order(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Put what every line has in front, so that a tailed log lines up."""
    first = ("timestamp", "level", "event", "session")
    return {**{key: event[key] for key in first if key in event}, **event}
