"""What is told of a node's exporters, and what is made of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitord.exporters.kinds import KINDS
from monitord.exporters.report import Outcome, Report, State, read_outcome

UP = "n1: node: up: n1:9100\n"
MISSING = "n1: dcgm: missing: no dcgm-exporter in $PATH\n"


def test_a_node_is_settled_when_every_kind_is_known() -> None:
    outcome = read_outcome("n1", UP, None)
    assert not outcome.is_settled(["node", "dcgm"])
    assert outcome.problems(["node", "dcgm"]) == {"dcgm": "has not answered yet"}
    outcome = read_outcome("n1", UP + MISSING, None)
    assert outcome.is_settled(["node", "dcgm"])
    assert outcome.addresses == {"node": "n1:9100"}
    assert outcome.problems(["node", "dcgm"]) == {"dcgm": "no dcgm-exporter in $PATH"}


def test_the_last_that_was_told_counts() -> None:
    outcome = read_outcome("n1", f"{UP}n1: node: failed: ended by signal 9\n", None)
    assert outcome.addresses == {}
    assert outcome.problems(["node"]) == {"node": "ended by signal 9"}


def test_a_step_that_ended_has_nothing_up_and_says_why() -> None:
    log = f"{UP}srun: error: Application launch failed: timed out\nsrun: Job step aborted\n"
    outcome = read_outcome("n1", log, 140)
    assert outcome.is_settled(["node", "dcgm"])
    assert outcome.addresses == {}
    assert outcome.ended == "srun: error: Application launch failed: timed out"
    assert outcome.problems(["node"]) == {"node": outcome.ended}


def test_the_agent_s_own_error_says_more_than_srun_s() -> None:
    log = f"{MISSING}monitord: node n1 has none\nsrun: error: n1: task 0: Exited with exit code 6\n"
    outcome = read_outcome("n1", log, 6)
    assert outcome.ended == "monitord: node n1 has none"
    assert outcome.problems(["dcgm"]) == {"dcgm": "no dcgm-exporter in $PATH"}


def test_a_step_that_said_nothing_is_told_by_its_exit_code() -> None:
    assert read_outcome("n1", "", 7).ended == "its step ended with exit code 7"
    assert read_outcome("n1", "slurmstepd: killed\n", 7).ended == "slurmstepd: killed"


def test_another_node_s_lines_and_half_a_line_are_no_reports() -> None:
    assert read_outcome("n1", "n10: node: up: n10:9100\nn1: node: u", None) == Outcome("n1")


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(State), st.text())
def test_what_is_told_is_read_again(kind: str, state: State, detail: str) -> None:
    line = Report(kind, state, detail).line("mel0042")
    assert len(line.splitlines()) == 1
    outcome = read_outcome("mel0042", f"{line}\n", None)
    assert outcome.reports == {kind: Report(kind, state, " ".join(detail.split()))}
