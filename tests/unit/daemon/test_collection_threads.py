"""What came of a collection."""

from __future__ import annotations

import errno
from concurrent.futures import Future

import pytest

from monitord.daemon.collection_threads import Collected, Failed, Later, result_of
from monitord.errors import InvalidInputError, PassingError, PrometheusUnavailableError


def done(outcome: Collected | Exception) -> Future[Collected]:
    future: Future[Collected] = Future()
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
    return future


def test_a_result_is_returned_as_it_is() -> None:
    collected = Collected("complete", "/artifacts/w")
    assert result_of(done(collected)) is collected


@pytest.mark.parametrize("error", [PrometheusUnavailableError("away"), PassingError("no thread")])
def test_what_may_pass_is_tried_again_and_settles_again(error: Exception) -> None:
    later = result_of(done(error))
    assert isinstance(later, Later)
    assert (later.reason, later.settles_again) == (str(error), True)


def test_artifacts_that_cannot_be_written_are_tried_again_and_the_file_is_named() -> None:
    later = result_of(done(OSError(errno.ENOSPC, "No space left on device", "/a/b")))
    assert isinstance(later, Later)
    assert "cannot be written: No space left on device (/a/b)" in later.reason
    assert not later.settles_again


def test_an_error_of_ours_is_final() -> None:
    assert result_of(done(InvalidInputError("no such recipe"))) == Failed("no such recipe")


def test_a_defect_is_final_and_its_exception_is_kept_for_the_log() -> None:
    defect = ZeroDivisionError("division by zero")
    assert result_of(done(defect)) == Failed("internal error: ZeroDivisionError('division by zero')", defect)
