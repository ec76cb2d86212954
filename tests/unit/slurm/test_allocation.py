"""The allocation, and how near its end is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitord.slurm.allocation import (
    RESERVE_SECONDS,
    WARNED_SECONDS,
    Allocation,
    Margins,
    Stage,
    read_allocation,
    seconds_to_close,
    seconds_to_next,
    stage,
)

MARGINS = Margins(600.0, 120.0)
moments = st.floats(0, 4e9)


def test_outside_of_a_job_there_is_none() -> None:
    assert read_allocation({"HOME": "/root"}) is None


def test_what_slurm_tells_a_job() -> None:
    environment = {
        "SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2", "SLURM_JOB_END_TIME": "1795520644",
        "SLURM_TASK_PID": "123", "SLURM_CLUSTER_NAME": "c", "SLURM_JOB_PARTITION": "short",
        "SLURM_JOB_NODELIST": "n1",
    }  # fmt: skip
    assert read_allocation(environment) == Allocation("7", 2, 1795520644.0, 123, "c", "short", "n1")


def test_what_it_does_not_tell_is_not_made_up() -> None:
    """22.05 tells no end; the count of restarts is there only after the first."""
    allocation = read_allocation({"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "soon"})
    assert allocation == Allocation("7")
    assert allocation.restart_count == 0


def test_an_end_comes_nearer_by_stages() -> None:
    ends_at = 10_000.0
    for now, expected in ((0, Stage.FAR), (9_399, Stage.FAR), (9_400, Stage.NEAR), (9_880, Stage.CLOSING)):
        assert stage(ends_at, now, MARGINS) is expected
    assert stage(10_000.0, 20_000, MARGINS) is Stage.CLOSING
    assert stage(None, 20_000, MARGINS) is Stage.FAR


@given(moments, moments)
def test_the_stage_changes_when_it_was_said_to_and_not_before(ends_at: float, now: float) -> None:
    wait = seconds_to_next(ends_at, now, MARGINS)
    if wait == float("inf"):
        assert stage(ends_at, now, MARGINS) is Stage.CLOSING
    else:
        before = stage(ends_at, now, MARGINS)
        assert stage(ends_at, now + wait / 2, MARGINS) is before
        assert stage(ends_at, now + wait + 1, MARGINS) is not before


def test_an_end_that_is_not_known_brings_nothing_about() -> None:
    assert seconds_to_next(None, 0.0, MARGINS) == float("inf")


def test_what_is_left_for_windows() -> None:
    assert seconds_to_close(1_000.0, 800.0) == 200 - RESERVE_SECONDS
    assert seconds_to_close(1_000.0, 984.0) == 12.0
    assert seconds_to_close(1_000.0, 1_001.0) == 0.0
    assert seconds_to_close(None, 800.0) == WARNED_SECONDS
