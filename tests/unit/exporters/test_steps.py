"""Which job is meant, and the command that reaches into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from monitord.errors import SlurmError
from monitord.exporters.steps import nodes_of, running_job, srun
from monitord.slurm.runner import SlurmRunner

RUNNING = "7|7|7|RUNNING|1|2|mel[0001-0002]|mel0001|short|None\n"
TASKS = "7_1|8|7|RUNNING|1|2|n1|n1|short|None\n7_2|7|7|RUNNING|1|2|n2|n2|short|None\n"


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
        ("7|7|7|PENDING|1|2|||short|Resources\n", r"does not run \(PENDING, Resources\)"),
        ("7|7|7|CANCELLED|1|2|n1|n1|short|None\n", r"is over \(CANCELLED\)"),
        (TASKS, "an array of which 2 tasks run; name one of 7_1, 7_2"),
    ],
)
def test_a_job_that_is_not_there_to_be_entered_is_refused(queue: str, reason: str) -> None:
    with pytest.raises(SlurmError, match=reason):
        running_job(slurm(queue), "7")


def test_a_step_shares_its_node_with_all_others() -> None:
    command = srun("7", "mel0042")
    assert command[0] == "srun"
    assert {"--jobid=7", "--overlap", "--nodelist=mel0042", "--nodes=1", "--ntasks=1"} <= set(command)
