"""What Slurm's complaints mean; they are those of a real 22.05."""

from __future__ import annotations

import pytest

from monitord.errors import ExitCode, SlurmError
from monitord.slurm.refusal import (
    ControllerDownError,
    InvalidAccountError,
    JobOverError,
    NoSuchPartitionError,
    UnclearError,
    UnknownJobError,
    refusal,
)

FAILED = "sbatch: error: Batch job submission failed"
OVER = "scancel: error: Kill job error on job id 7: Job/step already completing or completed"


@pytest.mark.parametrize(
    ("errors", "kind", "advice"),
    [
        (f"sbatch: error: invalid partition specified: nosuch\n{FAILED}: Invalid partition name specified\n",
         NoSuchPartitionError, "sinfo --summarize"),
        (f"{FAILED}: Invalid account or account/partition combination specified",
         InvalidAccountError, "sacctmgr show associations"),
        (f"{FAILED}: Invalid qos specification", SlurmError, "qos"),
        ("sbatch: error: Invalid --time specification", SlurmError, "HH:MM:SS"),
        (f"{FAILED}: Requested node configuration is not available", SlurmError,
         "no node has"),
        ("slurm_load_jobs error: Invalid job id specified", UnknownJobError, "squeue --me"),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", ControllerDownError,
         "scontrol ping"),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", ControllerDownError,
         "scontrol ping"),
        (OVER, JobOverError, ""),
        ("squeue: fatal: Could not establish a configuration source", SlurmError, "$SLURM_CONF"),
        ("sbatch: error: something new", UnclearError, "something new"),
        ("", UnclearError, "exit code 1"),
    ],
)  # fmt: skip
def test_a_complaint_says_what_kind_it_is_and_what_helps(
    errors: str, kind: type[SlurmError], advice: str
) -> None:
    error = refusal("sbatch", 1, errors)
    assert type(error) is kind
    assert advice in str(error)
    assert "\n" not in str(error)
    assert error.exit_code == ExitCode.EXTERNAL
