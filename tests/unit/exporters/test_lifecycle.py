"""When an exporter is started, given up for now, and started again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitord.exporters.lifecycle import (
    BACKOFF,
    START_SECONDS,
    STEADY_SECONDS,
    Action,
    Life,
    Phase,
    step,
)


def test_it_is_started_at_once_and_up_when_it_answers() -> None:
    life, action = step(Life(), 100.0, runs=False, answers=False)
    assert (life.phase, action) == (Phase.STARTING, Action.START)
    life, action = step(life, 100.1, runs=True, answers=False)
    assert (life.phase, action) == (Phase.STARTING, Action.NOTHING)
    life, action = step(life, 100.2, runs=True, answers=True)
    assert (life, action) == (Life(Phase.UP, 100.2), Action.NOTHING)
    assert life.next_look(100.2) is None


def test_it_waits_longer_the_more_often_it_fails() -> None:
    pauses = []
    life, now = Life(), 0.0
    for _ in range(9):
        life, action = step(life, now, runs=False, answers=False)
        assert action is Action.START
        life, _ = step(life, now, runs=False, answers=False)
        pauses.append(life.pause)
        assert step(life, now + life.pause - 0.01, runs=False, answers=False) == (life, Action.NOTHING)
        now += life.pause
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_one_that_does_not_answer_is_killed_in_the_end() -> None:
    life = Life(Phase.STARTING, 0.0)
    assert step(life, START_SECONDS - 0.1, runs=True, answers=False) == (life, Action.NOTHING)
    assert step(life, START_SECONDS, runs=True, answers=False)[1] is Action.KILL


def test_one_that_lived_long_starts_again_as_if_it_had_never_failed() -> None:
    assert step(Life(Phase.UP, 0.0, 5), STEADY_SECONDS, runs=False, answers=False)[0].failures == 1
    assert step(Life(Phase.UP, 0.0, 5), STEADY_SECONDS - 1, runs=False, answers=False)[0].failures == 6


@given(st.lists(st.tuples(st.floats(0, 1000), st.booleans(), st.booleans())))
def test_whatever_happens_the_pause_is_bounded_and_only_the_answering_are_up(
    history: list[tuple[float, bool, bool]],
) -> None:
    life, now = Life(), 0.0
    for passed, runs, answers in history:
        now += passed
        before = life
        life, action = step(life, now, runs=runs, answers=answers)
        assert 0 <= life.pause <= BACKOFF.longest
        assert (action is Action.START) == (before.phase is Phase.WAITING and life.phase is Phase.STARTING)
        if life.phase is Phase.UP and before.phase is not Phase.UP:
            assert runs
            assert answers
        look = life.next_look(now)
        assert look is None if life.phase is Phase.UP else look is not None
        assert look is None or 0 <= look <= BACKOFF.longest
