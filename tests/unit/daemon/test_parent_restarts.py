"""Whether a daemon that ended is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.daemon.parent_restarts import (
    MAX_FAILURES,
    WELL_SECONDS,
    WHILE_IT_MAY_PASS,
    End,
    Restart,
    Tries,
    after_end,
    shell_code,
)
from monitord.errors import ExitCode

REFUSED = [ExitCode.INVALID, ExitCode.USAGE, ExitCode.EXTERNAL]
PASSING = ExitCode.TRY_AGAIN


def pauses(code: int, ran: float = 1.0, tries: Tries | None = None, most: int = 50) -> list[float]:
    """Return the pauses after ends of the same kind, until it is over or there are many."""
    found: list[float] = []
    restart = after_end(code, ran, tries or Tries())
    while isinstance(restart, Restart) and len(found) < most:
        found.append(restart.pause_seconds)
        restart = after_end(code, ran, restart.tries)
    return found


@pytest.mark.parametrize("code", [ExitCode.OK, ExitCode.NOT_READY, ExitCode.INTERRUPTED, *REFUSED])
def test_an_end_that_another_start_would_repeat_is_final(code: ExitCode) -> None:
    assert after_end(code, 0.1, Tries()) == End(code)


@pytest.mark.parametrize("code", [-9, -11, ExitCode.DEFECT, 139])
def test_a_crash_is_not(code: int) -> None:
    assert after_end(code, 5.0, Tries()) == Restart(1.0, Tries(failures=1))


def test_pauses_double_up_to_a_limit_and_then_it_is_given_up() -> None:
    found = pauses(-11)
    assert found[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert len(found) == MAX_FAILURES
    assert after_end(-11, 1.0, Tries(failures=MAX_FAILURES)) == End(139)


def test_what_may_pass_is_waited_for_without_end() -> None:
    found = pauses(PASSING, most=5000)
    assert found[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, WHILE_IT_MAY_PASS.longest]
    assert len(found) == 5000
    assert {*found[6:]} == {WHILE_IT_MAY_PASS.longest}


def test_a_wait_neither_counts_as_a_failure_nor_forgives_one() -> None:
    tries = Tries()
    for _ in range(MAX_FAILURES):
        crashed = after_end(ExitCode.DEFECT, 1.0, tries)
        assert isinstance(crashed, Restart)
        waits = after_end(PASSING, 1.0, crashed.tries)
        assert isinstance(waits, Restart)
        assert waits.pause_seconds == 1.0
        tries = waits.tries
    assert after_end(ExitCode.DEFECT, 1.0, tries) == End(ExitCode.DEFECT)


@pytest.mark.parametrize("code", REFUSED)
def test_what_worked_before_and_now_is_refused_may_be_out_of_sight_for_a_while(code: ExitCode) -> None:
    well = after_end(-9, WELL_SECONDS, Tries())
    assert isinstance(well, Restart)
    assert len(pauses(code, tries=well.tries, most=100)) == 100


codes = st.one_of(st.integers(-64, 255), st.sampled_from(ExitCode))


@given(st.lists(st.tuples(codes, st.floats(0, 120)), max_size=60))
def test_whatever_ends_it_pauses_are_bounded_and_only_defects_are_counted(
    history: list[tuple[int, float]],
) -> None:
    tries, failures = Tries(), 0
    for code, ran in history:
        if ran >= WELL_SECONDS:
            failures = 0
        match after_end(code, ran, tries):
            case Restart(pause, tries):
                assert 0 < pause <= WHILE_IT_MAY_PASS.longest
                failures += code not in (PASSING, *REFUSED)
                assert tries.failures == failures <= MAX_FAILURES
            case End(final):
                assert final == shell_code(code)
                assert 0 <= final <= 255
                assert failures == MAX_FAILURES or code in (
                    ExitCode.OK, ExitCode.NOT_READY, ExitCode.INTERRUPTED, *REFUSED,
                )  # fmt: skip
                return
