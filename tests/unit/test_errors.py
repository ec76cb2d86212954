"""Errors: their exit codes, and messages that a terminal can take."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord import errors
from monitord.errors import (
    MAX_PROBLEMS,
    ExitCode,
    InvalidFileError,
    InvalidInputError,
    MonitordError,
    PassingError,
    Problem,
    excerpt,
    is_passing,
    listed,
)


def test_problems_are_listed_in_the_order_of_the_file() -> None:
    late, early = Problem(3, 1, "labels", "bad"), Problem(1, 7, "", "worse")
    error = InvalidFileError([late, early], "c1.yaml")
    assert error.problems == (early, late)
    assert str(error) == "c1.yaml:1:7: worse\nc1.yaml:3:1: labels: bad"
    assert error.exit_code == ExitCode.INVALID


def test_of_many_problems_the_first_are_listed_and_the_others_counted() -> None:
    many = [Problem(line, 1, "k", "bad") for line in range(200, 0, -1)]
    for count in (MAX_PROBLEMS, MAX_PROBLEMS + 1, 200):
        found = listed(many[-count:])
        assert found[:MAX_PROBLEMS] == tuple(many[: -MAX_PROBLEMS - 1 : -1])
        rest = [str(problem) for problem in found[MAX_PROBLEMS:]]
        more = count - MAX_PROBLEMS
        assert rest == ([f"51:1: and {more} more problem{'s' * (more > 1)}"] if more else [])
        assert listed(found) == InvalidFileError(found, "named later").problems == found


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInputError, 1),
        (errors.NotReadyError, 3),
        (errors.IncompleteDataError, 5),
        (errors.PrometheusError, 6),
        (errors.PrometheusUnavailableError, 6),
    ],
)
def test_exit_codes_are_the_documented_ones(error: type[MonitordError], code: int) -> None:
    assert error("why").exit_code == code


@given(st.text())
def test_an_excerpt_is_short_and_printable(text: str) -> None:
    shown = excerpt(text, limit=10)
    assert shown.isprintable()
    assert len(shown) <= 11 * len(r"\U0010ffff")


def test_an_excerpt_leaves_what_fits_alone() -> None:
    assert excerpt("mel[0042-0045]") == "mel[0042-0045]"
    assert excerpt("a\nb") == r"a\nb"
    assert excerpt("x" * 61) == "x" * 60 + "…"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EAGAIN])
def test_trouble_of_disks_and_limits_may_pass_also_where_it_was_put_into_other_words(number: int) -> None:
    trouble, told = OSError(number, "so"), InvalidInputError("in other words")
    assert is_passing(trouble)
    assert not is_passing(told)
    told.__cause__ = trouble
    assert is_passing(told)


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "so"), OSError(errno.EROFS, "so"), FileNotFoundError(), ValueError(),
              InvalidInputError("wrong"), OSError("without a number")],
)  # fmt: skip
def test_what_somebody_has_to_correct_does_not_pass(error: Exception) -> None:
    assert not is_passing(error)


@pytest.mark.parametrize("error", [TimeoutError(), MemoryError(), PassingError("no thread")])
def test_time_and_memory_come_back(error: Exception) -> None:
    assert is_passing(error)
