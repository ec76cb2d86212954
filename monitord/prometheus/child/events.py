"""What is logged, and reported as wrong, when the state of the supervised Prometheus changes (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from monitord.prometheus.child.diagnosis import Diagnosis
from monitord.prometheus.child.restart_policy import Phase, State


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log: a constant event, and keys."""

    level: Literal["info", "warning", "error"]
    event: str
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended: its exit code (-N for signal N), its last errors, and what they mean."""

    code: int
    errors: tuple[str, ...]
    diagnosis: Diagnosis

    def __str__(self) -> str:
        how = f"was ended by signal {-self.code}" if self.code < 0 else f"exited with {self.code}"
        facts = "; ".join(self.errors) or "no reason logged"
        return f"Prometheus {how}: {facts}{f' ({self.diagnosis.advice})' if self.diagnosis.advice else ''}"


def log_lines(before: State, after: State, ended: Exit | None, unwritable: str) -> Iterator[Line]:
    """Return what to log about a change.

    `ended` is how the run ended, if it did; `unwritable` is why nothing can be written.
    """
    if after.unwritable and not before.unwritable:
        yield Line("error", "prometheus.unwritable", {"reason": unwritable})
    if after.phase is before.phase:
        return
    if ended is not None:
        yield _exited(before, after, ended)
    if after.phase is Phase.STOPPING and after.wanted:
        yield _stopping(before, after)
    elif after.phase is Phase.FATAL:
        yield Line("error", "prometheus.given_up" if after.given_up else "prometheus.stuck",
                   {"failures": after.failures})  # fmt: skip


def failure_after(before: State, after: State, ended: Exit | None, unwritable: str) -> str | None:
    """Return what is wrong after this change, in words.

    Empty when all is well again, None when the change does not affect it.
    """
    if after.phase is before.phase:
        return _without_room(after, unwritable) if after.unwritable and not before.unwritable else None
    if after.phase is Phase.RUNNING or (after.phase is Phase.STOPPED and not after.wanted):
        return ""
    if after.phase is Phase.STOPPING and after.wanted and not after.restart:
        return f"Prometheus is being restarted: {_why_stopping(before, after)}"
    if after.phase is Phase.BACKOFF and ended and before.phase is not Phase.STOPPING:
        return str(ended)
    return _given_up(after, ended) if after.phase is Phase.FATAL else None


def _without_room(after: State, unwritable: str) -> str:
    if after.phase is not Phase.RUNNING:
        return unwritable
    return f"what is scraped is lost: {unwritable}; Prometheus is restarted once there is room"


def _given_up(after: State, ended: Exit | None) -> str:
    if not after.given_up:
        return "Prometheus cannot be ended, not even by SIGKILL; it hangs in the kernel"
    last = f": {ended}" if ended else ""
    return (
        f"Prometheus was given up after {after.failures} failures in a row{last}; "
        "fix the cause, then send the daemon SIGHUP to try again"
    )


def outage_reason(before: State, after: State) -> str:
    """Return the stable code of why it is not healthy."""
    if after.unwritable:
        return "data_unwritable"
    if not after.wanted:
        return "daemon_stopped"
    return "prometheus_hung" if before.failed_checks else "prometheus_exited"


def _exited(before: State, after: State, ended: Exit) -> Line:
    expected = not after.wanted or after.phase is Phase.STOPPED
    keys: dict[str, Any] = {"code": ended.code, "errors": list(ended.errors)}
    if before.phase is not Phase.STOPPING:
        keys |= {"cause": ended.diagnosis.cause.value}
    if after.phase is Phase.BACKOFF:
        keys |= {"retry_seconds": round(after.deadline - after.since, 1)}
    return Line("info" if expected else "error", "prometheus.exited", keys)


def _stopping(before: State, after: State) -> Line:
    if after.restart:
        return Line("warning", "prometheus.restarted", {"reason": "its data can be written again"})
    return Line("error", "prometheus.hung", {"reason": _why_stopping(before, after)})


def _why_stopping(before: State, after: State) -> str:
    if after.killed:
        return "it was not ready in time"
    if before.failed_checks:
        return "it stopped answering"
    return "it cannot watch the folder of its targets (no inotify instance is left to this user?)"
