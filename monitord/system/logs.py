"""The structured log: one JSON object a line in the session's log file, readable lines on a terminal.

The only place that configures structlog. Log files have a limited size: a full one is renamed to `<name>.1`,
the one before to `<name>.2`, and so on.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from monitord.system.printable import shown, shown_json

CONSOLE_MAX_BYTES = 16 * 1024 * 1024

_OF_LINES = frozenset({"exception", "stack"})


class Lines(Protocol):
    """A destination of lines; `write` never raises."""

    def write(self, line: str) -> None:
        """Write one line, given without a line end."""


class LogFile:
    """A log file of limited size. On a full disk lines are lost, and the daemon goes on."""

    def __init__(self, path: Path, mode: int, max_bytes: int, kept: int) -> None:
        self._path = path
        self._mode = mode
        self.max_bytes = max_bytes
        self.kept = kept
        self._size = 0
        self._descriptor = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, self._mode)
        os.fchmod(descriptor, self._mode)
        self._size = os.fstat(descriptor).st_size
        return descriptor

    def reopen(self) -> None:
        """Open the file again, for it may have been moved away; on failure go on in the old one."""
        try:
            descriptor, before = self._open(), self._descriptor
        except OSError as error:
            self._complain(error, "it goes on in the old file")
            return
        self._descriptor = descriptor
        os.close(before)

    def write(self, line: str) -> None:
        # A file name with stray bytes holds surrogates, which UTF-8 cannot; `\udc80` is how JSON does.
        content = f"{line}\n".encode(errors="backslashreplace")
        if self._size and self._size + len(content) > self.max_bytes:
            self._rotate()
        try:
            os.write(self._descriptor, content)
            self._size += len(content)
        except OSError as error:
            self._complain(error, line)

    def _rotate(self) -> None:
        try:
            for number in range(self.kept, 0, -1):
                source = self._numbered(number - 1)
                if source.exists():
                    source.replace(self._numbered(number))
        except OSError as error:
            self._complain(error, "it grows past its limit")
        self.reopen()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _complain(self, error: OSError, what: str) -> None:
        Console(sys.stderr).write(f"monitord: cannot write {self._path}: {error.strerror}; {what}")

    def close(self) -> None:
        os.close(self._descriptor)


class Console:
    """Standard error. The daemon goes on when it is closed or full.

    A plain file is written up to CONSOLE_MAX_BYTES, because it is not rotated. The log file has everything.
    """

    def __init__(self, stream: TextIO, max_bytes: int = CONSOLE_MAX_BYTES) -> None:
        self._stream = stream
        self._left = max_bytes if _is_plain_file(stream) else None

    @property
    def is_terminal(self) -> bool:
        return self._stream.isatty()

    def write(self, line: str) -> None:
        if self._left is not None:
            if self._left <= 0:
                return
            self._left -= len(line) + 1
            if self._left <= 0:
                line += "\nmonitord: this file has reached its limit; the log goes on in the session's logs/"
        with suppress(OSError, ValueError):
            _write_to(self._stream, f"{line}\n")


def _is_plain_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _write_to(stream: TextIO, text: str) -> None:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # no file behind it
        stream.write(text)
        stream.flush()
        return
    # Not by the stream itself: Python aborts when it ends while a thread hangs in a stream's write.
    os.write(descriptor, text.encode(errors="backslashreplace"))


def open_log(file: Lines, session: str, console: Lines, *, readable: bool = False) -> FilteringBoundLogger:
    """Return a logger that writes JSON to `file`, and the same, or a `readable` form of it, to `console`."""
    to_line = structlog.processors.JSONRenderer(ensure_ascii=False)
    to_text: Processor | None = structlog.dev.ConsoleRenderer() if readable else None

    def write(logger: WrappedLogger, name: str, event: EventDict) -> str:
        line = shown_json(str(to_line(logger, name, dict(event))))
        file.write(line)
        return str(to_text(logger, name, _shown(event))) if to_text else line

    logger: Any = structlog.wrap_logger(
        _ByLevel(console),
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


class _ByLevel:
    """What structlog calls last: one method per level."""

    def __init__(self, console: Lines) -> None:
        self.info = self.warning = self.error = self.critical = console.write


def _shown(event: EventDict) -> EventDict:
    """Escape what is not printable in the texts of an event; the renderer writes other values by repr."""
    return {
        key: shown(item, keep="\n" if key in _OF_LINES else "") if isinstance(item, str) else item
        for key, item in event.items()
    }


def _in_order(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Put the keys that every line has first, so that a tailed log lines up."""
    first = ("timestamp", "level", "event", "session")
    return {**{key: event[key] for key in first if key in event}, **event}
