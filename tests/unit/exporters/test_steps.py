"""Which job is meant, and the command that reaches into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from monitord.errors import SlurmError
from monitord.exporters.steps import STEP_NAME, agents_of, nodes_of, running_job, srun
from monitord.slurm.runner import SlurmRunner

RUNNING = "7|7|7|RUNNING|1|2|mel[0001-0002]|mel0001|short|None\n"
TASKS = "6_1|8|6|RUNNING|1|2|n1|n1|short|None\n6_2|6|6|RUNNING|1|2|n2|n2|short|None\n"


def slurm(queue: str) -> SlurmRunner:
    def run(command: Sequence[str], timeout: float, environment: Mapping[str, str]) -> tuple[int, str, str]:
        assert command[0] == "squeue"
        return 0, queue, ""

    return SlurmRunner(run)


def test_a_job_that_runs_has_its_nodes() -> None:
    assert nodes_of(running_job(slurm(RUNNING), "7")) == ["mel0001", "mel0002"]


@pytest.mark.parametrize(
    ("queue", "reason"),
    [
        ("", "Slurm knows no job 7"),
        ("7|7|7|PENDING|1|2|||short|Resources\n", r"is not running yet \(PENDING, Resources\)"),
        ("7|7|7|CANCELLED|1|2|n1|n1|short|None\n", r"has ended \(CANCELLED\)"),
        (TASKS, "an array of 2 tasks; name one of 6_1, 6_2"),
    ],
)
def test_a_job_that_is_not_there_to_be_entered_is_refused(queue: str, reason: str) -> None:
    with pytest.raises(SlurmError, match=reason):
        running_job(slurm(queue), "7")


@pytest.mark.parametrize(("meant", "number"), [("6_1", "8"), ("8", "8"), ("6_2", "6"), ("6", "6")])
def test_a_task_of_an_array_is_meant_by_its_id_and_by_its_number(meant: str, number: str) -> None:
    assert running_job(slurm(TASKS), meant).number == number


def test_agents_of_one_task_are_not_those_of_another() -> None:
    task = running_job(slurm(TASKS), "6")
    listed = f"6_2.batch|batch\n6_2.0|{STEP_NAME}\n6_1.0|{STEP_NAME}\n6_2.1|bench\n"
    assert agents_of(slurm(listed), task) == ("6_2.0",)


def test_a_step_shares_its_node_with_all_others() -> None:
    command = srun("7", "mel0042")
    assert command[0] == "srun"
    assert {"--jobid=7", "--overlap", "--nodelist=mel0042", "--nodes=1", "--ntasks=1"} <= set(command)
