"""Deciding when Prometheus is started, stopped, killed, given an empty data folder, or given up (pure).

`step` takes an observation and returns actions, which the caller carries out before it observes again. Times
are monotonic seconds.

A Prometheus that fails is started again after a back-off, up to `max_failures` times in a row; then it is
given up until `request_start`. Failures with an outside cause do not count: while its data folder cannot be
written it is not started, and while no process can be created it is tried again without limit. Data that it
refuses twice in a row are set aside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from monitord.prometheus.child.diagnosis import Cause
from monitord.system.backoff import Backoff

BACKOFF = Backoff(first=1.0, longest=60.0)


class Phase(Enum):
    """The phases of the child."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FATAL = "fatal"
    """Given up; or it survives SIGKILL, hung in the kernel: a second one on its data would be worse."""


class Action(Enum):
    """What the caller must do now."""

    START = "start"
    STOP = "stop"
    """SIGTERM, then SIGCONT: a stopped process keeps SIGTERM pending."""
    KILL = "kill"
    SET_ASIDE = "set aside"
    """Move the data that it refuses to another folder, and keep them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each phase may take, in seconds, and how often it may fail."""

    start_timeout: float = 60.0
    """For a start without progress; with progress it may take as long as it needs."""
    stop_timeout: float = 10.0
    kill_timeout: float = 5.0
    backoff: Backoff = BACKOFF
    stable_after: float = 60.0
    failed_checks: int = 3
    max_failures: int = 20
    max_refusals: int = 2
    check_interval: float = 5.0
    trial_interval: float = 1.0
    poll_interval: float = 0.1
    exit_poll_interval: float = 1.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What is observed of the child and its data folder; None is unknown, or was not checked this time.

    `progress` changes whenever a start has come further. `writes_failed`: samples could not be written.
    `is_blind`: it no longer reads file_sd. `can_write` is the result of a trial write to the data folder.
    `cause` is why the child ended; `may_set_aside`: its data can be set aside.
    """

    running: bool
    ready: bool | None = None
    progress: int | None = None
    writes_failed: bool = False
    is_blind: bool = False
    can_write: bool | None = None
    cause: Cause = Cause.CRASHED
    may_set_aside: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """The supervised child.

    `since` is when the phase began; `deadline` is when the phase times out (STARTING, STOPPING) or the next
    start is due (BACKOFF). `failures`, `slow_starts` and `refusals` count since it was last stable.
    `unwritable`: its data folder cannot be written. `restart`: it is stopped in order to be started again.
    `given_up`: FATAL is a decision.
    """

    phase: Phase = Phase.STOPPED
    since: float = 0.0
    wanted: bool = True
    deadline: float = 0.0
    check_at: float = 0.0
    trial_at: float = 0.0
    progress: int | None = None
    failures: int = 0
    slow_starts: int = 0
    refusals: int = 0
    failed_checks: int = 0
    killed: bool = False
    unwritable: bool = False
    restart: bool = False
    given_up: bool = False


Step = tuple[State, tuple[Action, ...]]

_MOST_PATIENCE = 16
"""The timeout of a start that is slow again and again, as a multiple of `start_timeout`."""


def step(state: State, observation: Observation, now: float, limits: Limits, jitter: float) -> Step:
    """Return the state after this observation, and the actions; `jitter` is random in [0, 1)."""
    state = _noted(state, observation, now, limits)
    if not observation.running:
        return _without_process(state, observation, now, limits, jitter)
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
    """Return the state in which the child is no longer wanted, and the actions."""
    state = replace(state, wanted=False)
    match state.phase:
        case Phase.STARTING | Phase.RUNNING:
            return _stop(state, now, limits)
        case Phase.BACKOFF:
            return _enter(state, Phase.STOPPED, now), ()
        case _:
            return state, ()


def request_start(state: State, now: float) -> State:
    """Return the state in which a child that was given up, or that waits, is started at once."""
    idle = state.phase is Phase.BACKOFF or (state.phase is Phase.FATAL and state.given_up)
    if not (idle and state.wanted):
        return state
    fresh = replace(state, failures=0, slow_starts=0, refusals=0, given_up=False, trial_at=now)
    return _enter(fresh, Phase.STOPPED, now)


def has_ended(state: State) -> bool:
    """Return whether a requested stop is over, successful or not."""
    return not state.wanted and state.phase in {Phase.STOPPED, Phase.FATAL}


def is_healthy(state: State) -> bool:
    """Return whether it serves, and stores what it scrapes."""
    return state.phase is Phase.RUNNING and not state.unwritable


def is_check_due(state: State, now: float) -> bool:
    """Return whether a check of the child is due."""
    return state.phase in {Phase.STARTING, Phase.RUNNING} and now >= state.check_at


def is_trial_due(state: State, now: float) -> bool:
    """Return whether a trial write to its data folder is due."""
    idle = state.phase in {Phase.STOPPED, Phase.BACKOFF}
    wanted = state.wanted and ((idle and now >= state.deadline) or _is_starving(state))
    return wanted and now >= state.trial_at


def next_wake(state: State, now: float, limits: Limits) -> float | None:
    """Return when to observe next, at the latest; None when only a request can change the state."""
    match state.phase:
        case Phase.STOPPED | Phase.BACKOFF:
            return max(now, state.deadline, state.trial_at) if state.wanted else None
        case Phase.STARTING | Phase.STOPPING:
            return max(now, min(state.deadline, now + limits.poll_interval))
        case Phase.RUNNING:
            due = min(state.check_at, state.trial_at) if state.unwritable else state.check_at
            return max(now, min(due, now + limits.exit_poll_interval))
        case Phase.FATAL:
            return None if state.given_up else now + limits.exit_poll_interval


def _is_starving(state: State) -> bool:
    return state.phase is Phase.RUNNING and state.unwritable


def _noted(state: State, observation: Observation, now: float, limits: Limits) -> State:
    """Note the result of a trial write, and failed writes of the child."""
    if observation.can_write is not None:
        # A failed write tears the child's log, and only a restart repairs that: until then, a successful
        # trial changes nothing.
        forgiven = observation.can_write and not _is_starving(state)
        unwritable = not forgiven and (state.unwritable or not observation.can_write)
        state = replace(state, unwritable=unwritable, trial_at=now + limits.trial_interval)
    if observation.writes_failed:
        state = replace(state, unwritable=True)
    return state


def _without_process(
    state: State, observation: Observation, now: float, limits: Limits, jitter: float
) -> Step:
    match state.phase:
        case Phase.STOPPED | Phase.BACKOFF:
            due = state.wanted and now >= state.deadline and observation.can_write
            return _start(state, now, limits) if due else (state, ())
        case Phase.FATAL if state.given_up:
            return state, ()
        case Phase.STARTING | Phase.RUNNING:
            state = _ended_by_itself(state, observation, limits)
    if not state.wanted:
        return _enter(state, Phase.STOPPED, now), ()
    if state.restart:
        return _enter(replace(state, trial_at=now), Phase.STOPPED, now), ()
    if state.failures >= limits.max_failures or not _may_go_on(state, observation, limits):
        return replace(_enter(state, Phase.FATAL, now), given_up=True), ()
    delay = limits.backoff.seconds(max(state.failures, 1), jitter)
    return replace(_enter(state, Phase.BACKOFF, now), deadline=now + delay), ()


def _ended_by_itself(state: State, observation: Observation, limits: Limits) -> State:
    # The pauses get longer, but it is never given up: disk space and processes become free again.
    held_up = min(state.failures + 1, 5, limits.max_failures - 1)
    if observation.cause is Cause.UNWRITABLE:
        return replace(state, unwritable=True, failures=held_up)
    if observation.cause is Cause.LIMITED:
        return replace(state, failures=held_up)
    refusals = state.refusals + 1 if observation.cause is Cause.STORAGE else 0
    return replace(_failed(state), refusals=refusals)


def _may_go_on(state: State, observation: Observation, limits: Limits) -> bool:
    return state.refusals < limits.max_refusals or observation.may_set_aside


def _start(state: State, now: float, limits: Limits) -> Step:
    # A start that was interrupted replays its write-ahead log from the beginning: with the same timeout
    # again, it would never complete.
    patience = Backoff(limits.start_timeout, _MOST_PATIENCE * limits.start_timeout)
    started = _enter(replace(state, progress=None, check_at=now), Phase.STARTING, now)
    started = replace(started, deadline=now + patience.seconds(state.slow_starts + 1))
    if state.refusals >= limits.max_refusals:
        return replace(started, refusals=0), (Action.SET_ASIDE, Action.START)
    return started, (Action.START,)


def _starting(state: State, observation: Observation, now: float, limits: Limits) -> Step:
    if observation.ready:
        return replace(_enter(state, Phase.RUNNING, now), check_at=now + limits.check_interval), ()
    if observation.progress not in (None, state.progress):
        deadline = max(state.deadline, now + limits.start_timeout)
        state = replace(state, progress=observation.progress, deadline=deadline)
    if now >= state.deadline:
        # Not SIGTERM: Prometheus handles that only once its log is replayed.
        slow = replace(_failed(state), slow_starts=state.slow_starts + 1)
        return _kill(slow, now, limits)
    checked = observation.ready is not None
    return replace(state, check_at=now + limits.poll_interval) if checked else state, ()


def _running(state: State, observation: Observation, now: float, limits: Limits) -> Step:
    if _is_starving(state) and observation.can_write:
        # What it writes after a torn write is lost at its next start: the sooner that comes, the less is
        # lost.
        return _stop(replace(state, restart=True), now, limits)
    if observation.ready is None:
        return state, ()
    state = replace(state, check_at=now + limits.check_interval)
    if observation.is_blind:
        return _stop(_failed(state), now, limits)
    if not observation.ready:
        state = replace(state, failed_checks=state.failed_checks + 1)
        overdue = state.failed_checks >= limits.failed_checks
        return _stop(_failed(state), now, limits) if overdue else (state, ())
    state = replace(state, failed_checks=0)
    if now - state.since >= limits.stable_after:
        state = replace(state, failures=0, slow_starts=0, refusals=0)
    return state, ()


def _stop(state: State, now: float, limits: Limits) -> Step:
    stopping = replace(_enter(state, Phase.STOPPING, now), restart=state.restart)
    return replace(stopping, deadline=now + limits.stop_timeout), (Action.STOP,)


def _kill(state: State, now: float, limits: Limits) -> Step:
    stopping = replace(_enter(state, Phase.STOPPING, now), restart=state.restart)
    return replace(stopping, deadline=now + limits.kill_timeout, killed=True), (Action.KILL,)


def _stop_overdue(state: State, now: float, limits: Limits) -> Step:
    return (_enter(state, Phase.FATAL, now), ()) if state.killed else _kill(state, now, limits)


def _failed(state: State) -> State:
    return replace(state, failures=state.failures + 1)


def _enter(state: State, phase: Phase, now: float) -> State:
    return replace(state, phase=phase, since=now, deadline=now, failed_checks=0, killed=False, restart=False)
