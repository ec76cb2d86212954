"""The errors monitord raises on purpose, and the exit code each one ends the command line with."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

MAX_PROBLEMS = 50
_MORE = re.compile(r"and [0-9]+ more problems?", re.ASCII)


class ExitCode(IntEnum):
    """What a command ends with; users script against these.

    TRY_AGAIN (EX_TEMPFAIL of sysexits.h) is for whoever started a daemon: its parent, or systemd.
    """

    OK = 0
    INVALID = 1
    USAGE = 2
    NOT_READY = 3
    SLO_BREACHED = 4
    INCOMPLETE = 5
    EXTERNAL = 6
    DEFECT = 70
    TRY_AGAIN = 75
    INTERRUPTED = 130


class MonitordError(Exception):
    """Base of all expected errors: the message says what happened, where, and what to do next."""

    exit_code = ExitCode.INVALID


class InvalidInputError(MonitordError):
    """Something a user gave cannot be used as it is."""


class NotReadyError(MonitordError):
    """What was waited for did not come in time, or the session has no running daemon."""

    exit_code = ExitCode.NOT_READY


class SloBreachedError(MonitordError):
    """A window was collected, and broke an SLO condition."""

    exit_code = ExitCode.SLO_BREACHED


class IncompleteDataError(MonitordError):
    """A window was collected, but not all of its data was there."""

    exit_code = ExitCode.INCOMPLETE


class PrometheusError(MonitordError):
    """Prometheus refused, failed, or answered with something that is not its API.

    Final: no retry helps.
    """

    exit_code = ExitCode.EXTERNAL


class PrometheusUnavailableError(PrometheusError):
    """Prometheus could not be reached or was not ready; the same request may succeed later."""


class AccessRefusedError(PrometheusError):
    """Prometheus refused the password that it was given."""


class SlurmError(MonitordError):
    """Slurm refused, or did not do what it was asked to."""

    exit_code = ExitCode.EXTERNAL


class PassingError(MonitordError):
    """The machine could not do it at this moment: no thread, process or room was left, or it was too slow.

    The same works once that has passed, so it is tried again, without end.
    """

    exit_code = ExitCode.TRY_AGAIN


# What disks, quotas, limits and network file systems answer for a while. Not EROFS, EACCES or ENOENT: those
# mostly are a wrong setting.
_PASSING = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ENOMEM, errno.EMFILE,
        errno.ENFILE, errno.ETIMEDOUT, errno.EBUSY, errno.EINTR, errno.ENOLCK, errno.EREMOTEIO,
        # A client that Lustre evicted, or that has lost its server.
        errno.ENOTCONN, errno.ESHUTDOWN, errno.ENODEV, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    }
)  # fmt: skip


def is_passing(error: BaseException) -> bool:
    """Say whether an error, or the one that it was raised from, is of a trouble that may pass by itself."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PassingError | MemoryError):
            return True
        if isinstance(cause, OSError) and (cause.errno in _PASSING or isinstance(cause, TimeoutError)):
            return True
        cause = cause.__cause__
    return False


def excerpt(text: str, limit: int = 60) -> str:
    """Write what a user gave so that a message can hold it.

    One line, nothing that a terminal acts on, cut after `limit` characters.
    """
    shown = text if len(text) <= limit else f"{text[:limit]}…"
    return shown if shown.isprintable() else repr(shown)[1:-1]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file; line and column count from 1, as editors do."""

    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.line}:{self.column}: {field}{self.message}"


def listed(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return a file's problems in its order: MAX_PROBLEMS at most, then how many more there are.

    They are reported in the log, in statuses and on terminals, each time the file is written.
    """
    found = sorted(problems)
    more = found[MAX_PROBLEMS:]
    if not more or any(_MORE.fullmatch(problem.message) for problem in found):  # listed already
        return tuple(found)
    message = f"and {len(more)} more {'problem' if len(more) == 1 else 'problems'}"
    return (*found[:MAX_PROBLEMS], Problem(more[0].line, more[0].column, "", message))


class InvalidFileError(InvalidInputError):
    """A file that cannot be accepted, with what is wrong in it, as much as is listed."""

    def __init__(self, problems: Sequence[Problem], name: str = "") -> None:
        self.problems = listed(problems)
        self.name = name
        prefix = f"{name}:" if name else ""
        super().__init__("\n".join(f"{prefix}{problem}" for problem in self.problems))
