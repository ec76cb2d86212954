"""Slurm's commands: what is asked, what is tried again, and what failures become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitord.errors import SlurmError
from monitord.slurm.mark import Mark
from monitord.slurm.refusal import (
    ControllerDownError,
    NoSuchPartitionError,
    OutcomeUnknownError,
    UnclearError,
)
from monitord.slurm.runner import SlurmRunner, run_command

DOWN = (1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")
TIMED_OUT = (
    1, "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
)  # fmt: skip
RUNNING = (0, "7|7|7|RUNNING|1795520464|1795520644|n1|n1|short|None\n", "")
Answer = tuple[int, str, str] | OSError


@dataclass
class FakeSlurm:
    """Gives answers in turn, the last one again and again; remembers what it was asked."""

    answers: list[Answer]
    asked: list[list[str]] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def __call__(
        self, command: Sequence[str], _timeout: float, environment: Mapping[str, str]
    ) -> tuple[int, str, str]:
        self.asked.append(list(command))
        self.environments.append(environment)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    @property
    def runner(self) -> SlurmRunner:
        return SlurmRunner(self, self.pauses.append, pauses=(1.0, 3.0))


def test_jobs_are_asked_for_all_at_once_with_times_that_can_be_read() -> None:
    slurm = FakeSlurm([RUNNING])
    [job] = slurm.runner.jobs({"8", "7"})
    assert job.ends_at == 1795520644.0
    assert "--jobs=7,8" in slurm.asked[0]
    assert slurm.environments[0]["SLURM_TIME_FORMAT"] == "%s"


def test_a_job_that_slurm_forgot_is_not_in_the_queue() -> None:
    slurm = FakeSlurm([(1, "", "slurm_load_jobs error: Invalid job id specified\n")])
    assert slurm.runner.jobs({"7"}) == ()
    assert slurm.runner.job("7") is None
    assert slurm.runner.steps("7", "x") == ()


def test_what_only_reads_is_tried_again() -> None:
    slurm = FakeSlurm([DOWN, DOWN, RUNNING])
    assert slurm.runner.job("7") is not None
    assert slurm.pauses == [1.0, 3.0]


def test_a_controller_that_stays_away_is_told() -> None:
    slurm = FakeSlurm([DOWN])
    with pytest.raises(ControllerDownError, match="try again later"):
        slurm.runner.jobs({"7"})
    assert len(slurm.asked) == 3


@pytest.mark.parametrize("answer", [DOWN, TimeoutError("no answer after 60 s")])
def test_a_submission_is_never_tried_again(answer: Answer) -> None:
    slurm = FakeSlurm([answer])
    with pytest.raises(ControllerDownError, match="may have been submitted anyway"):
        slurm.runner.submit(Path("a.sh"))
    assert len(slurm.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [TIMED_OUT, TimeoutError("no answer after 60 s"), (0, "a site's plugin says hello\n", ""),
     (1, "", "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received\n")],
)  # fmt: skip
def test_a_submission_that_was_accepted_and_not_reported_is_found(answer: Answer) -> None:
    mark = Mark("a" * 16, "7")
    queue = f"17|PENDING|afterany:7(unfulfilled)|x|{mark}\n9|RUNNING|(null)|y|{Mark('b' * 16, '7')}\n"
    slurm = FakeSlurm([answer, (0, "", ""), (0, queue, "")])
    if not isinstance(answer, OSError) and answer != TIMED_OUT:
        slurm.answers.pop(1)  # where it is no time-out, the queue is searched once
    assert slurm.runner.submit(Path("a.sh"), [f"--comment={mark}"]) == "17"
    assert [command[0] for command in slurm.asked].count("sbatch") == 1
    assert "--me" in slurm.asked[-1]


def test_of_two_submissions_that_were_not_reported_the_second_is_cancelled() -> None:
    mark = Mark("a" * 16, "7")
    queue = "".join(f"{job}|PENDING||x|{mark}\n" for job in (18, 17))
    slurm = FakeSlurm([TIMED_OUT, (0, queue, ""), (0, "", "")])
    assert slurm.runner.submit(Path("a.sh"), [f"--comment={mark}"]) == "17"
    assert slurm.asked[-1] == ["scancel", "18"]


@pytest.mark.parametrize("search", [(0, "", ""), DOWN])
def test_a_submission_that_is_not_found_may_still_come(search: Answer) -> None:
    slurm = FakeSlurm([TIMED_OUT, search])
    with pytest.raises(OutcomeUnknownError, match="may have been submitted anyway"):
        slurm.runner.submit(Path("a.sh"), [f"--comment={Mark('a' * 16, '7')}"])
    assert [command[0] for command in slurm.asked].count("sbatch") == 1


def test_a_sites_own_refusal_is_told_as_it_is_once_no_job_is_found() -> None:
    refused = (1, "", "sbatch: error: project code missing, ask Bob\n")
    slurm = FakeSlurm([refused, (0, "", "")])
    with pytest.raises(UnclearError, match=r"ask Bob$"):
        slurm.runner.submit(Path("a.sh"), [f"--comment={Mark('a' * 16, '7')}"])
    assert len(slurm.asked) == 2


def test_a_submission_passes_on_options_arguments_and_environment() -> None:
    slurm = FakeSlurm([(0, "17;alpha\n", "")])
    job = slurm.runner.submit(Path("/x/a.sh"), ["--time=5"], ["--session", "s"], {"A": "b"})
    assert job == "17"
    assert slurm.asked == [["sbatch", "--parsable", "--time=5", "/x/a.sh", "--session", "s"]]
    assert slurm.environments[0]["A"] == "b"


def test_a_refusal_has_its_kind() -> None:
    slurm = FakeSlurm([(1, "", "sbatch: error: invalid partition specified: nosuch\n")])
    with pytest.raises(NoSuchPartitionError, match="nosuch"):
        slurm.runner.submit(Path("a.sh"))


def test_to_cancel_what_is_over_is_no_error() -> None:
    said = "scancel: error: Kill job error on job id 7: Job/step already completing or completed\n"
    FakeSlurm([(1, "", said)]).runner.cancel("7")
    FakeSlurm([(1, "", "scancel: error: Invalid job id specified\n")]).runner.cancel("7")
    with pytest.raises(ControllerDownError):
        FakeSlurm([DOWN]).runner.cancel("7")


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (FileNotFoundError(2, "No such file or directory"), "monitord start --local"),
        (PermissionError(13, "Permission denied"), "cannot be run: Permission denied"),
    ],
)
def test_a_machine_without_slurm_is_told_so(failure: OSError, told: str) -> None:
    with pytest.raises(SlurmError, match=told):
        FakeSlurm([failure]).runner.jobs({"7"})


def test_an_answer_that_cannot_be_read_is_an_error_of_slurm() -> None:
    with pytest.raises(SlurmError, match="squeue returned unexpected output"):
        FakeSlurm([(0, "what\n", "")]).runner.jobs({"7"})


def test_a_command_that_does_not_answer_is_given_up() -> None:
    with pytest.raises(TimeoutError, match="no answer"):
        run_command(["sleep", "60"], 0.1, {"PATH": "/usr/bin:/bin"})
    script = "echo $A; echo b >&2; exit 3"
    assert run_command(["sh", "-c", script], 10, {"PATH": "/usr/bin:/bin", "A": "a"}) == (3, "a\n", "b\n")
