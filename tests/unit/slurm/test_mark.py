"""The mark by which a submission is found again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.slurm.mark import Mark, add_mark, jobs_with_mark, mark_of, of_session, read_found, session_key

MARK = Mark(session_key("/r/s"), "7")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [f"--comment={MARK}"]),
        (["--comment=a project", "--mem=1G"], ["--mem=1G", f"--comment=a project {MARK}"]),
        (["--comment", "a project"], [f"--comment=a project {MARK}"]),
        (["--comment=one", "--comment", "two"], [f"--comment=two {MARK}"]),
        ([f"--comment=a {Mark(MARK.session, 'start-1')} b"], [f"--comment=a b {MARK}"]),
        ([f"--comment={Mark(MARK.session, 'start-1')}"], [f"--comment={MARK}"]),
        (["--comment"], [f"--comment={MARK}"]),
    ],
)  # fmt: skip
def test_it_stands_behind_the_users_own_comment(options: list[str], expected: list[str]) -> None:
    assert add_mark(options, MARK) == tuple(expected)
    assert mark_of(expected) == MARK


def test_without_a_mark_there_is_none() -> None:
    assert mark_of(["--time=5", "--comment=monitord", "--job-name=monitord:0123456789abcdef:7"]) is None


def test_a_session_has_its_own_key_whatever_its_folder_is_called() -> None:
    assert session_key("/r/s") == session_key("/r/s") != session_key("/r/t")
    assert session_key("/r/\udcff")


def test_jobs_are_found_among_whatever_else_a_user_runs() -> None:
    mine, others = Mark(MARK.session, "start-0a"), Mark(session_key("/other"), "7")
    found = read_found(
        f"12|PENDING|afterany:7(unfulfilled)|a|b|{MARK}\n"
        f"8|RUNNING|(null)|monitord-s|project x {mine}\n"
        f"9|RUNNING|(null)|monitord-s|{others}\n"
        f"10|COMPLETING|(null)|monitord-s|{MARK}\n"
        f"11|CANCELLED|(null)|monitord-s|{MARK}\n"
        "13|RUNNING|(null)|sh|a comment\nof two lines\n"
        "\n"
    )
    assert jobs_with_mark(found, MARK) == ("12",)
    assert of_session(found, MARK.session) == ("8", "12")


@given(text=st.text(max_size=80))
def test_no_output_is_more_than_jobs_that_are_not_ours(text: str) -> None:
    assert jobs_with_mark(read_found(text), MARK) == ()
