"""Deciding whether the daemon's parent starts it again. Pure.

After a defect it is started again a limited number of times. After trouble that may pass (a full disk, a
limit of processes, a program that is slow to be read), it is started again without limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitord.errors import ExitCode
from monitord.system.backoff import Backoff

# The daemon ended normally, or another one has the session.
_ENDED = frozenset({ExitCode.OK, ExitCode.NOT_READY, ExitCode.INTERRUPTED})
# Wrong settings, or no Prometheus: another start would fail likewise. If the same start has worked before, a
# file system with the settings or the programs may be away for a while.
_REFUSED = frozenset({ExitCode.INVALID, ExitCode.USAGE, ExitCode.EXTERNAL})
# A daemon that ran for this long was well: its end does not count as one of a series.
WELL_SECONDS = 60.0
MAX_FAILURES = 10
AFTER_FAILURE = Backoff(first=1.0, longest=30.0)
WHILE_IT_MAY_PASS = Backoff(first=1.0, longest=60.0)


@dataclass(frozen=True, slots=True)
class Tries:
    """The starts so far: failures of the daemon in a row, and waits in a row for trouble to pass.

    `was_well`: one of them ran for WELL_SECONDS.
    """

    failures: int = 0
    waits: int = 0
    was_well: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again after a pause; `tries` is for the next call."""

    pause_seconds: float
    tries: Tries


@dataclass(frozen=True, slots=True)
class End:
    """Do not start it again; the parent exits with this code."""

    code: int


def after_end(code: int, ran_seconds: float, tries: Tries) -> Restart | End:
    """Decide what to do when the daemon has ended with a code, -N for signal N."""
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
    """Return an exit code as a shell would: 128 + N for signal N."""
    return code if code >= 0 else 128 - code
