"""Decide when Prometheus is started, stopped, killed, given other data or given up (pure).

`step` takes what was observed and says what to do; the caller does it before it observes again.
Times are seconds of a clock that never goes back.

A Prometheus that fails is started again after a back-off, up to `max_failures` times in a row; then
it is given up until `request_start`. What is no fault of its own does not count: where its data
cannot be written, it is started once they can, and where no process could be made, without end. Data that
it refuses twice running are set aside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from monitord.prometheus.child.diagnosis import Cause
from monitord.system.backoff import Backoff

BACKOFF = Backoff(first=1.0, longest=60.0)


class Phase(Enum):
    """Where the child is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FATAL = "fatal"
    """Given up; or it outlives SIGKILL, hung in the kernel: a second one on its data would be worse."""


class Action(Enum):
    """What the caller is to do now."""

    START = "start"
    STOP = "stop"
    """SIGTERM, then SIGCONT: a stopped process keeps SIGTERM pending."""
    KILL = "kill"
    SET_ASIDE = "set aside"
    """Move the data that it refuses out of its way, and keep them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds, and how often they may fail."""

    start_timeout: float = 60.0
    """For a start that shows no progress; one that does has as long as it needs."""
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
    """What is seen of the child and of its data folder; None is not known, or not asked this time.

    `progress` differs from the last one whenever a start has come further. `writes_failed` says that
    samples could not be written, `is_blind` that it no longer reads file_sd, `can_write` how a
    trial of ours to write there ended. `cause` is why it ended; `may_set_aside` whether its data
    could be.
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
    """The supervised child as it is known.

    `since` is when the phase began; `deadline` when patience with it ends (STARTING, STOPPING) or
    the next start is due (BACKOFF). `failures`, `slow_starts` and `refusals` count since it last was
    stable. `unwritable` says that its data folder takes no writes, `restart` that the stop under
    way is for a fresh start, `given_up` that FATAL is a decision.
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
"""A start that is slow again and again is given so many times `start_timeout` in the end."""


def step(state: State, observation: Observation, now: float, limits: Limits, jitter: float) -> Step:
    """Return the state after this observation, and what to do; `jitter` is random in [0, 1)."""
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
    """Return the state in which the child is no longer wanted, and what to do."""
    state = replace(state, wanted=False)
    match state.phase:
        case Phase.STARTING | Phase.RUNNING:
            return _stop(state, now, limits)
        case Phase.BACKOFF:
            return _enter(state, Phase.STOPPED, now), ()
        case _:
            return state, ()


def request_start(state: State, now: float) -> State:
    """Return the state in which one that was given up, or is waited for, is tried again at once."""
    idle = state.phase is Phase.BACKOFF or (state.phase is Phase.FATAL and state.given_up)
    if not (idle and state.wanted):
        return state
    fresh = replace(state, failures=0, slow_starts=0, refusals=0, given_up=False, trial_at=now)
    return _enter(fresh, Phase.STOPPED, now)


def has_ended(state: State) -> bool:
    """Say whether a requested stop has come to its end, if need be without having worked."""
    return not state.wanted and state.phase in {Phase.STOPPED, Phase.FATAL}


def is_healthy(state: State) -> bool:
    """Say whether it serves and keeps what it scrapes."""
    return state.phase is Phase.RUNNING and not state.unwritable


def is_check_due(state: State, now: float) -> bool:
    """Say whether the child is to be asked now how it is."""
    return state.phase in {Phase.STARTING, Phase.RUNNING} and now >= state.check_at


def is_trial_due(state: State, now: float) -> bool:
    """Say whether it is to be tried now if its data folder takes writes."""
    idle = state.phase in {Phase.STOPPED, Phase.BACKOFF}
    wanted = state.wanted and ((idle and now >= state.deadline) or _is_starving(state))
    return wanted and now >= state.trial_at


def next_wake(state: State, now: float, limits: Limits) -> float | None:
    """Return when to observe next, at the latest; None when nothing can change by itself."""
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
    """Keep in mind what a trial to write, or a failure of the child's own writes, says of its data."""
    if observation.can_write is not None:
        # What it failed to write tears its log, and only a restart mends that: until then one trial
        # that works is no reason to forget.
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
    # Wait for longer each time that it fails, but never give up: room comes back, and others end.
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
    # A start that was cut short replays its write-ahead log from the beginning: given the same time
    # again, it would never get through.
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
        # Not SIGTERM: Prometheus answers that only once its log is replayed.
        slow = replace(_failed(state), slow_starts=state.slow_starts + 1)
        return _kill(slow, now, limits)
    checked = observation.ready is not None
    return replace(state, check_at=now + limits.poll_interval) if checked else state, ()


def _running(state: State, observation: Observation, now: float, limits: Limits) -> Step:
    if _is_starving(state) and observation.can_write:
        # Whatever it wrote after a write that failed half-way is lost at its next start: the sooner
        # that comes, the less that is.
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
