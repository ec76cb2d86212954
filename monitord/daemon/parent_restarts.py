"""Whether a daemon that ended is started again by its parent. Pure.

A defect is tried again some times, trouble that may pass without end: a full disk, a limit of processes, a
program that is slow to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitord.errors import ExitCode
from monitord.system.backoff import Backoff

# It came to its end, or another daemon has the session.
_ENDED = frozenset({ExitCode.OK, ExitCode.NOT_READY, ExitCode.INTERRUPTED})
# Wrong settings, no Prometheus to run: another start would only repeat it. Where the same start has worked
# before, what it needs may be out of sight for a while: a file system with the settings or the programs.
_REFUSED = frozenset({ExitCode.INVALID, ExitCode.USAGE, ExitCode.EXTERNAL})
# One that ran for this long was well; its end is not one of a series.
WELL_SECONDS = 60.0
MAX_FAILURES = 10
AFTER_FAILURE = Backoff(first=1.0, longest=30.0)
WHILE_IT_MAY_PASS = Backoff(first=1.0, longest=60.0)


@dataclass(frozen=True, slots=True)
class Tries:
    """What came of the starts so far: its own failures in a row, and waits in a row for what may pass.

    `was_well` says that one of them ran for long enough.
    """

    failures: int = 0
    waits: int = 0
    was_well: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """It is started again after a pause; `tries` are for the next end."""

    pause_seconds: float
    tries: Tries


@dataclass(frozen=True, slots=True)
class End:
    """It is not; the parent ends with this code."""

    code: int


def after_end(code: int, ran_seconds: float, tries: Tries) -> Restart | End:
    """Say what to do when the daemon ended with a code, -N for signal N, having run for so long."""
    if ran_seconds >= WELL_SECONDS:
        tries = Tries(was_well=True)
    if code in _ENDED or (code in _REFUSED and not tries.was_well):
        return End(code)
    if code == ExitCode.TRY_AGAIN or code in _REFUSED:
        waits = tries.waits + 1
        return Restart(WHILE_IT_MAY_PASS.seconds(waits), replace(tries, waits=waits))
    if tries.failures >= MAX_FAILURES:
        return End(shell_code(code))
    failures = tries.failures + 1
    return Restart(AFTER_FAILURE.seconds(failures), replace(tries, failures=failures, waits=0))


def shell_code(code: int) -> int:
    """Return an exit code as shells have it: 128 + N for signal N."""
    return code if code >= 0 else 128 - code
