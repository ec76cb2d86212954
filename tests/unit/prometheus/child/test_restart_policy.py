"""Supervision, step by step and over random lives of a child in a simulated machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.child.diagnosis import Cause
from monitord.prometheus.child.restart_policy import (
    Action,
    Limits,
    Observation,
    Phase,
    State,
    has_ended,
    is_check_due,
    is_healthy,
    is_trial_due,
    next_wake,
    request_start,
    request_stop,
    step,
)

LIMITS = Limits()
GONE = Observation(running=False)
CAN_START = Observation(running=False, can_write=True)
CANNOT_WRITE = Observation(running=False, can_write=False)
ALIVE = Observation(running=True)
READY = Observation(running=True, ready=True)
UNREADY = Observation(running=True, ready=False)


def starting(now: float = 0.0) -> State:
    state, actions = step(State(), CAN_START, now, LIMITS, 0.0)
    assert actions == (Action.START,)
    return state


def running(now: float = 0.0) -> State:
    state, actions = step(starting(now), READY, now, LIMITS, 0.0)
    assert (state.phase, actions) == (Phase.RUNNING, ())
    return state


def hung(now: float = 0.0) -> tuple[State, tuple[Action, ...]]:
    state = running(now)
    actions: tuple[Action, ...] = ()
    for _ in range(LIMITS.failed_checks):
        assert actions == ()
        now += LIMITS.check_interval
        state, actions = step(state, UNREADY, now, LIMITS, 0.0)
    return state, actions


def test_it_waits_for_readiness_before_it_runs() -> None:
    state = starting()
    assert step(state, UNREADY, 1.0, LIMITS, 0.0)[0].phase is Phase.STARTING
    assert step(state, ALIVE, 1.0, LIMITS, 0.0)[0].phase is Phase.STARTING
    assert step(state, READY, 1.0, LIMITS, 0.0)[0].phase is Phase.RUNNING


def test_a_start_beyond_its_deadline_is_killed_and_tried_again_with_more_time() -> None:
    state, actions = step(starting(), UNREADY, 59.9, LIMITS, 0.0)
    assert actions == ()
    state, actions = step(state, UNREADY, 60.0, LIMITS, 0.0)
    assert (state.phase, actions) == (Phase.STOPPING, (Action.KILL,))
    state, _ = step(state, GONE, 60.1, LIMITS, 0.0)
    assert (state.phase, state.deadline) == (Phase.BACKOFF, 61.1)
    state, actions = step(state, CAN_START, 61.1, LIMITS, 0.0)
    assert (actions, state.deadline) == ((Action.START,), 61.1 + 120.0)


def test_an_unexpected_exit_is_started_again_after_a_back_off() -> None:
    state, actions = step(running(), GONE, 10.0, LIMITS, 0.5)
    assert (state.phase, actions) == (Phase.BACKOFF, ())
    assert state.deadline == 11.5
    assert step(state, CAN_START, 11.4, LIMITS, 0.0)[1] == ()
    assert step(state, CAN_START, 11.5, LIMITS, 0.0)[1] == (Action.START,)


def test_three_failed_checks_in_a_row_end_a_hung_process() -> None:
    state, actions = hung()
    assert (state.phase, actions) == (Phase.STOPPING, (Action.STOP,))


def test_a_successful_check_forgives_the_failed_ones() -> None:
    state = running()
    for observation in (UNREADY, UNREADY, READY, UNREADY, UNREADY):
        state, actions = step(state, observation, state.check_at, LIMITS, 0.0)
        assert actions == ()
    assert state.phase is Phase.RUNNING


def test_what_does_not_end_is_killed_and_then_never_doubled() -> None:
    state, _ = hung()
    state, actions = step(state, ALIVE, state.deadline - 0.1, LIMITS, 0.0)
    assert actions == ()
    state, actions = step(state, ALIVE, state.deadline, LIMITS, 0.0)
    assert actions == (Action.KILL,)
    state, actions = step(state, ALIVE, state.deadline, LIMITS, 0.0)
    assert (state.phase, actions) == (Phase.FATAL, ())
    state, actions = step(state, ALIVE, state.since + 1000, LIMITS, 0.0)
    assert (state.phase, actions) == (Phase.FATAL, ())
    state, _ = step(state, GONE, state.since + 1001, LIMITS, 0.0)
    assert state.phase is Phase.BACKOFF


def test_failures_are_forgotten_after_a_minute_of_being_ready() -> None:
    state = replace(running(), failures=5, slow_starts=2)
    state, _ = step(state, READY, 59.9, LIMITS, 0.0)
    assert (state.failures, state.slow_starts) == (5, 2)
    state, _ = step(state, READY, 60.0, LIMITS, 0.0)
    assert (state.failures, state.slow_starts) == (0, 0)


@pytest.mark.parametrize("state", [starting(), running()])
def test_a_requested_stop_ends_what_runs(state: State) -> None:
    stopping, actions = request_stop(state, 5.0, LIMITS)
    assert (stopping.phase, actions) == (Phase.STOPPING, (Action.STOP,))
    stopped, actions = step(stopping, GONE, 5.1, LIMITS, 0.0)
    assert (stopped.phase, actions) == (Phase.STOPPED, ())
    assert has_ended(stopped)
    assert next_wake(stopped, 6.0, LIMITS) is None


def test_a_requested_stop_cancels_a_back_off() -> None:
    state, _ = step(running(), GONE, 10.0, LIMITS, 0.0)
    state, actions = request_stop(state, 10.1, LIMITS)
    assert (has_ended(state), actions) == (True, ())
    assert step(state, CAN_START, 1000.0, LIMITS, 0.0)[1] == ()


def test_a_second_request_changes_nothing() -> None:
    state, _ = request_stop(running(), 5.0, LIMITS)
    assert request_stop(state, 6.0, LIMITS) == (state, ())


def test_checks_are_due_often_at_the_start_and_then_every_interval() -> None:
    state = starting(1.0)
    assert is_check_due(state, 1.0)
    state, _ = step(state, UNREADY, 1.0, LIMITS, 0.0)
    assert not is_check_due(state, 1.05)
    assert is_check_due(state, 1.1)
    state, _ = step(state, READY, 1.1, LIMITS, 0.0)
    assert not is_check_due(state, 6.0)
    assert is_check_due(state, 6.1)


def test_a_start_that_gets_on_has_as_long_as_it_needs() -> None:
    state = starting()
    for minute in range(60):
        seen = Observation(running=True, ready=False, progress=minute)
        state, actions = step(state, seen, minute * 59.0, LIMITS, 0.0)
        assert actions == ()
    state, actions = step(state, seen, 59 * 59.0 + 60.0, LIMITS, 0.0)
    assert actions == (Action.KILL,)


def test_nothing_is_started_before_its_data_can_be_written() -> None:
    state = State()
    assert is_trial_due(state, 0.0)
    assert step(state, GONE, 0.0, LIMITS, 0.0)[1] == ()
    state, actions = step(state, CANNOT_WRITE, 0.0, LIMITS, 0.0)
    assert (state.unwritable, actions) == (True, ())
    assert not is_trial_due(state, 0.9)
    assert is_trial_due(state, 1.0)
    state, actions = step(state, CAN_START, 1.0, LIMITS, 0.0)
    assert (state.unwritable, actions) == (False, (Action.START,))


def test_writes_that_failed_have_it_restarted_as_soon_as_there_is_room() -> None:
    state, actions = step(
        running(), Observation(running=True, ready=True, writes_failed=True), 5.0, LIMITS, 0.0
    )
    assert (state.phase, state.unwritable, actions) == (Phase.RUNNING, True, ())
    assert not is_healthy(state)
    assert is_trial_due(state, 5.0)
    state, actions = step(state, Observation(running=True, can_write=False), 5.1, LIMITS, 0.0)
    assert (actions, next_wake(state, 5.1, LIMITS)) == ((), 6.1)
    state, actions = step(state, Observation(running=True, can_write=True), 6.1, LIMITS, 0.0)
    assert (state.phase, actions) == (Phase.STOPPING, (Action.STOP,))
    state, actions = step(state, GONE, 6.2, LIMITS, 0.0)
    assert (state.phase, state.failures, next_wake(state, 6.2, LIMITS)) == (Phase.STOPPED, 0, 6.2)
    state, actions = step(state, CAN_START, 6.2, LIMITS, 0.0)
    assert (state.unwritable, actions) == (False, (Action.START,))


def test_data_without_room_are_waited_for_without_end() -> None:
    state, now = starting(), 0.0
    for _ in range(10 * LIMITS.max_failures):
        state, _ = step(state, replace(GONE, cause=Cause.UNWRITABLE), now, LIMITS, 0.0)
        assert (state.phase, state.unwritable) == (Phase.BACKOFF, True)
        assert state.deadline - now <= 16.0
        now = state.deadline
        state, actions = step(state, CAN_START, now, LIMITS, 0.0)
        assert actions == (Action.START,)


def refused(state: State, now: float, **more: bool) -> State:
    observation = Observation(running=False, cause=Cause.STORAGE, **more)
    return step(state, observation, now, LIMITS, 0.0)[0]


def test_data_that_are_refused_twice_running_are_set_aside() -> None:
    state = refused(starting(), 1.0)
    state, actions = step(state, CAN_START, state.deadline, LIMITS, 0.0)
    assert actions == (Action.START,)
    state = refused(state, state.since + 1.0)
    state, actions = step(state, CAN_START, state.deadline, LIMITS, 0.0)
    assert actions == (Action.SET_ASIDE, Action.START)
    assert state.refusals == 0


def test_another_failure_in_between_is_not_the_datas_fault() -> None:
    state = replace(refused(starting(), 1.0), deadline=1.0)
    state, _ = step(state, CAN_START, 1.0, LIMITS, 0.0)
    state, _ = step(state, GONE, 2.0, LIMITS, 0.0)
    state, _ = step(state, CAN_START, state.deadline, LIMITS, 0.0)
    state = refused(state, state.since + 1.0)
    assert step(state, CAN_START, state.deadline, LIMITS, 0.0)[1] == (Action.START,)


def test_data_that_cannot_be_set_aside_have_it_given_up() -> None:
    state = replace(starting(), refusals=1)
    state = refused(state, 1.0, may_set_aside=False)
    assert (state.phase, state.given_up) == (Phase.FATAL, True)


def test_it_is_given_up_after_so_many_failures_and_tried_again_when_asked() -> None:
    state, now, starts = starting(), 0.0, 1
    while state.phase is not Phase.FATAL:
        state, _ = step(state, GONE, now, LIMITS, 0.0)
        now = max(now, state.deadline)
        state, actions = step(state, CAN_START, now, LIMITS, 0.0)
        starts += actions == (Action.START,)
    assert (starts, state.given_up) == (LIMITS.max_failures, True)
    assert next_wake(state, now, LIMITS) is None
    assert step(state, CAN_START, now + 1e6, LIMITS, 0.0)[1] == ()
    again = request_start(state, now)
    assert step(again, CAN_START, now, LIMITS, 0.0)[1] == (Action.START,)
    assert again.failures == 0


def test_asking_for_another_try_leaves_alone_what_runs_or_is_not_wanted() -> None:
    for state in (starting(), running(), hung()[0], request_stop(running(), 1.0, LIMITS)[0]):
        assert request_start(state, 5.0) == state
    waiting, _ = step(running(), GONE, 10.0, LIMITS, 0.0)
    assert step(request_start(waiting, 10.1), CAN_START, 10.1, LIMITS, 0.0)[1] == (Action.START,)


def test_one_that_no_longer_reads_its_targets_is_restarted() -> None:
    seen = Observation(running=True, ready=True, is_blind=True)
    state, actions = step(running(), seen, 5.0, LIMITS, 0.0)
    assert (state.phase, state.failures, actions) == (Phase.STOPPING, 1, (Action.STOP,))


@dataclass
class Machine:
    """What runs, and the rules that no sequence of events may break."""

    state: State = field(default_factory=State)
    now: float = 0.0
    alive: bool = False
    starts: int = 0

    def apply(self, actions: tuple[Action, ...], obeys_stop: bool, dies_killed: bool) -> None:
        for action in actions:
            idle = action in (Action.START, Action.SET_ASIDE)
            assert self.alive is not idle, "started twice, moved while it runs, or signalled nothing"
            match action:
                case Action.START:
                    self.alive, self.starts = True, self.starts + 1
                case Action.STOP:
                    self.alive = not obeys_stop
                case Action.KILL:
                    self.alive = not dies_killed

    def advance(self, event: tuple[str, float, bool, bool]) -> None:
        what, jitter, obeys_stop, dies_killed = event
        if what in ("exit", "refuse"):
            self.alive = False
        ready = what == "ready" if is_check_due(self.state, self.now) else None
        can_write = what != "full" if is_trial_due(self.state, self.now) else None
        cause = {"refuse": Cause.STORAGE, "full": Cause.UNWRITABLE}.get(what, Cause.CRASHED)
        observation = Observation(
            self.alive, ready if self.alive else None, writes_failed=self.alive and what == "full",
            can_write=can_write, cause=cause,
        )  # fmt: skip
        self.state, actions = step(self.state, observation, self.now, LIMITS, jitter)
        self.apply(actions, obeys_stop, dies_killed)
        wake = next_wake(self.state, self.now, LIMITS)
        if self.state.wanted and not self.state.given_up:
            assert wake is not None, "given up silently"
        assert wake is None or wake >= self.now
        self.now = self.now if wake is None else wake


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ready", "unready", "exit", "refuse", "full"]),
        st.floats(0, 1, exclude_max=True),
        st.booleans(),
        st.booleans(),
    ),
    max_size=200,
)


@given(EVENTS)
def test_nothing_is_started_twice_or_given_up_silently(events: list[tuple[str, float, bool, bool]]) -> None:
    machine = Machine()
    for event in events:
        machine.advance(event)


@given(EVENTS, st.booleans())
def test_a_requested_stop_always_ends(events: list[tuple[str, float, bool, bool]], dies_killed: bool) -> None:
    machine = Machine()
    for event in events:
        machine.advance(event)
    starts, asked = machine.starts, machine.now
    machine.state, actions = request_stop(machine.state, machine.now, LIMITS)
    machine.apply(actions, False, dies_killed)
    while not has_ended(machine.state):
        machine.advance(("unready", 0.0, False, dies_killed))
        assert machine.now <= asked + LIMITS.stop_timeout + LIMITS.kill_timeout + 2.0
    assert machine.starts == starts


@given(EVENTS)
def test_it_recovers_once_its_machine_does(events: list[tuple[str, float, bool, bool]]) -> None:
    machine = Machine()
    for event in events:
        machine.advance(event)
    if machine.state.phase is Phase.FATAL:
        machine.alive = False
        machine.state = request_start(machine.state, machine.now)
    recovering = machine.now
    while machine.state.phase is not Phase.RUNNING:
        machine.advance(("ready", 0.0, True, True))
        longest = LIMITS.stop_timeout + LIMITS.kill_timeout + LIMITS.backoff.longest
        assert machine.now <= recovering + longest + 2.0


def test_one_that_finds_no_process_or_thread_is_started_again_without_end() -> None:
    state, now = starting(), 0.0
    for _ in range(10 * LIMITS.max_failures):
        state, _ = step(state, replace(GONE, cause=Cause.LIMITED), now, LIMITS, 0.0)
        assert state.phase is Phase.BACKOFF
        assert state.deadline - now <= 16.0
        now = state.deadline
        state, actions = step(state, CAN_START, now, LIMITS, 0.0)
        assert actions == (Action.START,)
