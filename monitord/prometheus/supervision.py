"""Decide when Prometheus is started, stopped and killed (pure).

`step` takes what was observed and says what to do; the caller does it before it observes again.
Times are seconds of a clock that never goes back. There is no giving up: a Prometheus that fails
is started again after a back-off, for as long as it is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Phase(Enum):
    """Where the child is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FATAL = "fatal"
    """It outlives SIGKILL, hung in the kernel; a second one on its data would be worse."""


class Action(Enum):
    """What the caller is to do now."""

    START = "start"
    STOP = "stop"
    """SIGTERM, then SIGCONT: a stopped process keeps SIGTERM pending."""
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds, and how often they may fail."""

    start_timeout: float = 60.0
    stop_timeout: float = 10.0
    kill_timeout: float = 5.0
    first_backoff: float = 1.0
    longest_backoff: float = 60.0
    stable_after: float = 60.0
    failed_checks: int = 3
    check_interval: float = 5.0
    poll_interval: float = 0.1
    exit_poll_interval: float = 1.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen of the child; `ready` is None when it was not asked this time."""

    running: bool
    ready: bool | None = None


@dataclass(frozen=True, slots=True)
class State:
    """The supervised child as it is known.

    `since` is when the phase began; `deadline` when patience with it ends (STARTING, STOPPING) or
    the next start is due (BACKOFF). `failures` and `slow_starts` count since it last was stable.
    `last_ready` is when it last said that it was ready; None before the first time.
    """

    phase: Phase = Phase.STOPPED
    since: float = 0.0
    wanted: bool = True
    deadline: float = 0.0
    check_at: float = 0.0
    failures: int = 0
    slow_starts: int = 0
    failed_checks: int = 0
    killed: bool = False
    last_ready: float | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """From when Prometheus was last seen ready, before it was lost, until it was ready again."""

    start: float
    end: float


Step = tuple[State, tuple[Action, ...]]


def step(state: State, observation: Observation, now: float, limits: Limits, jitter: float) -> Step:
    """Return the state after this observation, and what to do; `jitter` is random in [0, 1)."""
    if not observation.running:
        return _without_process(state, now, limits, jitter)
    match state.phase:
        case Phase.STARTING:
            return _starting(state, observation, now, limits)
        case Phase.RUNNING:
            return _running(state, observation, now, limits)
        case Phase.STOPPING if now >= state.deadline:
            return _stop_overdue(state, now, limits)
        case _:
            return state, ()


def request_stop(state: State, now: float, limits: Limits) -> Step:
    """Return the state in which the child is no longer wanted, and what to do."""
    state = replace(state, wanted=False)
    match state.phase:
        case Phase.STARTING | Phase.RUNNING:
            return _stop(state, now, limits)
        case Phase.BACKOFF:
            return _enter(state, Phase.STOPPED, now), ()
        case _:
            return state, ()


def has_ended(state: State) -> bool:
    """Say whether a requested stop has come to its end, if need be without having worked."""
    return not state.wanted and state.phase in {Phase.STOPPED, Phase.FATAL}


def is_check_due(state: State, now: float) -> bool:
    """Say whether the child is to be asked now if it is ready."""
    return state.phase in {Phase.STARTING, Phase.RUNNING} and now >= state.check_at


def next_wake(state: State, now: float, limits: Limits) -> float | None:
    """Return when to observe next, at the latest; None when nothing can change by itself."""
    match state.phase:
        case Phase.STOPPED:
            return max(now, state.deadline) if state.wanted else None
        case Phase.BACKOFF:
            return max(now, state.deadline)
        case Phase.STARTING | Phase.STOPPING:
            return max(now, min(state.deadline, now + limits.poll_interval))
        case Phase.RUNNING:
            return max(now, min(state.check_at, now + limits.exit_poll_interval))
        case Phase.FATAL:
            return now + limits.exit_poll_interval


def ended_outage(before: State, after: State) -> Outage | None:
    """Return the outage that ended between two states, None when none did."""
    if before.phase is Phase.STARTING and after.phase is Phase.RUNNING and before.last_ready is not None:
        return Outage(before.last_ready, after.since)
    return None


def backoff_seconds(failures: int, limits: Limits, jitter: float) -> float:
    """Return how long to wait after so many failures in a row: doubling, never less than before."""
    shortest = limits.first_backoff * 2.0 ** min(max(failures, 1) - 1, 32)
    return min(limits.longest_backoff, shortest * (1.0 + jitter))


def _without_process(state: State, now: float, limits: Limits, jitter: float) -> Step:
    match state.phase:
        case Phase.STOPPED | Phase.BACKOFF:
            due = state.wanted and now >= state.deadline
            return _start(state, now, limits) if due else (state, ())
        case Phase.STARTING | Phase.RUNNING:
            state = _failed(state)
    if not state.wanted:
        return _enter(state, Phase.STOPPED, now), ()
    delay = backoff_seconds(state.failures, limits, jitter)
    return replace(_enter(state, Phase.BACKOFF, now), deadline=now + delay), ()


def _start(state: State, now: float, limits: Limits) -> Step:
    # A start that was cut short replays its write-ahead log from the beginning: given the same time
    # again, it would never get through.
    patience = limits.start_timeout * 2.0 ** min(state.slow_starts, 4)
    started = _enter(state, Phase.STARTING, now)
    return replace(started, deadline=now + patience, check_at=now), (Action.START,)


def _starting(state: State, observation: Observation, now: float, limits: Limits) -> Step:
    if observation.ready:
        running = _enter(state, Phase.RUNNING, now)
        return replace(running, last_ready=now, check_at=now + limits.check_interval), ()
    if now >= state.deadline:
        # Not SIGTERM: Prometheus answers that only once its log is replayed.
        slow = replace(_failed(state), slow_starts=state.slow_starts + 1)
        return _kill(slow, now, limits)
    checked = observation.ready is not None
    return replace(state, check_at=now + limits.poll_interval) if checked else state, ()


def _running(state: State, observation: Observation, now: float, limits: Limits) -> Step:
    if observation.ready is None:
        return state, ()
    state = replace(state, check_at=now + limits.check_interval)
    if not observation.ready:
        state = replace(state, failed_checks=state.failed_checks + 1)
        overdue = state.failed_checks >= limits.failed_checks
        return _stop(_failed(state), now, limits) if overdue else (state, ())
    state = replace(state, failed_checks=0, last_ready=now)
    if now - state.since >= limits.stable_after:
        state = replace(state, failures=0, slow_starts=0)
    return state, ()


def _stop(state: State, now: float, limits: Limits) -> Step:
    stopping = _enter(state, Phase.STOPPING, now)
    return replace(stopping, deadline=now + limits.stop_timeout), (Action.STOP,)


def _kill(state: State, now: float, limits: Limits) -> Step:
    stopping = _enter(state, Phase.STOPPING, now)
    return replace(stopping, deadline=now + limits.kill_timeout, killed=True), (Action.KILL,)


def _stop_overdue(state: State, now: float, limits: Limits) -> Step:
    return (_enter(state, Phase.FATAL, now), ()) if state.killed else _kill(state, now, limits)


def _failed(state: State) -> State:
    return replace(state, failures=state.failures + 1)


def _enter(state: State, phase: Phase, now: float) -> State:
    return replace(state, phase=phase, since=now, deadline=now, failed_checks=0, killed=False)
