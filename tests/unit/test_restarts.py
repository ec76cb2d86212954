"""Whether a daemon that ended is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import ExitCode
from monitord.restarts import (
    LONGEST_PAUSE_SECONDS,
    MAX_FAILURES,
    WELL_SECONDS,
    Again,
    Over,
    after_end,
    shell_code,
)


@pytest.mark.parametrize(
    "code", [ExitCode.OK, ExitCode.INVALID, ExitCode.USAGE, ExitCode.NOT_READY, ExitCode.EXTERNAL]
)
def test_an_end_that_another_start_would_repeat_is_final(code: ExitCode) -> None:
    assert after_end(code, 0.1, 0) == Over(code)


@pytest.mark.parametrize("code", [-9, -11, ExitCode.DEFECT, 139])
def test_a_crash_is_not(code: int) -> None:
    assert after_end(code, 5.0, 0) == Again(1.0, 1)


def test_pauses_double_up_to_a_limit_and_then_it_is_given_up() -> None:
    failures, pauses = 0, []
    while isinstance(again := after_end(-11, 1.0, failures), Again):
        failures = again.failures
        pauses.append(again.pause_seconds)
    assert pauses[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert len(pauses) == MAX_FAILURES
    assert again == Over(139)


@given(st.integers(-64, 255), st.floats(0, 1e6), st.integers(0, MAX_FAILURES))
def test_a_pause_is_bounded_and_one_that_ran_well_starts_anew(code: int, ran: float, failures: int) -> None:
    match after_end(code, ran, failures):
        case Again(pause, count):
            assert 0 < pause <= LONGEST_PAUSE_SECONDS
            assert count == (1 if ran >= WELL_SECONDS else failures + 1)
        case Over(final):
            assert final == shell_code(code)
            assert 0 <= final <= 255
