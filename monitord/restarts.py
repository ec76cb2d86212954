"""Whether a daemon that ended is started again by its parent. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from monitord.errors import ExitCode

# Ends that another start would only repeat: wrong settings, another daemon, no Prometheus to run.
FINAL = frozenset(
    {
        ExitCode.OK,
        ExitCode.INVALID,
        ExitCode.USAGE,
        ExitCode.NOT_READY,
        ExitCode.EXTERNAL,
        ExitCode.INTERRUPTED,
    }
)
# One that ran for this long was well; its end is not one of a series.
WELL_SECONDS = 60.0
MAX_FAILURES = 10
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Again:
    """It is started again after a pause; `failures` is how many it had in a row."""

    pause_seconds: float
    failures: int


@dataclass(frozen=True, slots=True)
class Over:
    """It is not; the parent ends with this code."""

    code: int


def after_end(code: int, ran_seconds: float, failures: int) -> Again | Over:
    """Say what to do when the daemon ended with a code, -N for signal N, having run for so long.

    `failures` are those in a row before. The first pause is a second; it doubles.
    """
    if code in FINAL:
        return Over(code)
    failures = 1 if ran_seconds >= WELL_SECONDS else failures + 1
    if failures > MAX_FAILURES:
        return Over(shell_code(code))
    return Again(min(2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS), failures)


def shell_code(code: int) -> int:
    """Return an exit code as shells have it: 128 + N for signal N."""
    return code if code >= 0 else 128 - code
