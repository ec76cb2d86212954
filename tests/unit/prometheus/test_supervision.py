"""Supervision, step by step and over random lives of a child in a simulated machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.supervision import (
    Action,
    Limits,
    Observation,
    Outage,
    Phase,
    State,
    backoff_seconds,
    ended_outage,
    has_ended,
    is_check_due,
    next_wake,
    request_stop,
    step,
)

LIMITS = Limits()
GONE = Observation(running=False)
ALIVE = Observation(running=True)
READY = Observation(running=True, ready=True)
UNREADY = Observation(running=True, ready=False)


def starting(now: float = 0.0) -> State:
    state, actions = step(State(), GONE, now, LIMITS, 0.0)
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
    state, actions = step(state, GONE, 61.1, LIMITS, 0.0)
    assert (actions, state.deadline) == ((Action.START,), 61.1 + 120.0)


def test_an_unexpected_exit_is_started_again_after_a_back_off() -> None:
    state, actions = step(running(), GONE, 10.0, LIMITS, 0.5)
    assert (state.phase, actions) == (Phase.BACKOFF, ())
    assert state.deadline == 11.5
    assert step(state, GONE, 11.4, LIMITS, 0.0)[1] == ()
    assert step(state, GONE, 11.5, LIMITS, 0.0)[1] == (Action.START,)


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
    assert step(state, GONE, 1000.0, LIMITS, 0.0) == (state, ())


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


def test_an_outage_lasts_from_the_last_good_check_to_the_next() -> None:
    state = running()
    state, _ = step(state, READY, 5.0, LIMITS, 0.0)
    state, _ = step(state, GONE, 7.0, LIMITS, 0.0)
    state, _ = step(state, GONE, 8.0, LIMITS, 0.0)
    again, _ = step(state, READY, 9.0, LIMITS, 0.0)
    assert ended_outage(state, again) == Outage(5.0, 9.0)
    assert ended_outage(again, again) is None


def test_the_first_start_is_no_outage() -> None:
    assert ended_outage(starting(), running()) is None


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=80))
def test_back_off_is_bounded_and_never_shrinks(jitters: list[float]) -> None:
    delays = [backoff_seconds(number, LIMITS, jitter) for number, jitter in enumerate(jitters, 1)]
    assert all(1.0 <= delay <= 60.0 for delay in delays)
    assert delays == sorted(delays)


@dataclass
class Machine:
    """What runs, and the rules that no sequence of events may break."""

    state: State = field(default_factory=State)
    now: float = 0.0
    alive: bool = False
    starts: int = 0

    def apply(self, actions: tuple[Action, ...], obeys_stop: bool, dies_killed: bool) -> None:
        for action in actions:
            assert self.alive is (action is not Action.START), "started twice, or signalled nothing"
            match action:
                case Action.START:
                    self.alive, self.starts = True, self.starts + 1
                case Action.STOP:
                    self.alive = not obeys_stop
                case Action.KILL:
                    self.alive = not dies_killed

    def advance(self, event: tuple[str, float, bool, bool]) -> None:
        what, jitter, obeys_stop, dies_killed = event
        if what == "exit":
            self.alive = False
        ready = what == "ready" if is_check_due(self.state, self.now) else None
        observation = Observation(self.alive, ready if self.alive else None)
        self.state, actions = step(self.state, observation, self.now, LIMITS, jitter)
        self.apply(actions, obeys_stop, dies_killed)
        wake = next_wake(self.state, self.now, LIMITS)
        if self.state.wanted:
            assert wake is not None, "given up silently"
        assert wake is None or wake >= self.now
        self.now = self.now if wake is None else wake


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ready", "unready", "exit"]),
        st.floats(0, 1, exclude_max=True),
        st.booleans(),
        st.booleans(),
    ),
    max_size=200,
)


@given(EVENTS)
def test_nothing_is_started_twice_or_given_up(events: list[tuple[str, float, bool, bool]]) -> None:
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
    recovering = machine.now
    while machine.state.phase is not Phase.RUNNING:
        machine.advance(("ready", 0.0, True, True))
        longest = LIMITS.stop_timeout + LIMITS.kill_timeout + LIMITS.longest_backoff
        assert machine.now <= recovering + longest + 2.0
