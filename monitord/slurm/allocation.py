"""The allocation that the daemon runs in, and what its nearing end asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

# Kept back of what is left, for the last snapshot, Prometheus's end and the last heartbeat.
RESERVE_SECONDS = 20.0
RESERVE_SHARE = 0.25  # but no more than this of it
# What a warning signal leaves where the end is not known: the 240 s that the batch script asks for.
WARNED_SECONDS = 200.0

# What closing windows may take of an allocation at most.
CLOSING_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Allocation:
    """A batch job as its processes know it.

    `ends_at` is in Unix seconds; Slurm before 23.02 does not tell it by the environment, and it can be
    moved. `batch_pid` is the process that the batch script is, or became: the one that signals reach.
    """

    job_id: str
    restart_count: int = 0
    ends_at: float | None = None
    batch_pid: int | None = None
    cluster: str | None = None
    partition: str | None = None
    nodelist: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what the manifest and the heartbeat say of it."""
        return {
            "job_id": self.job_id,
            "restart_count": self.restart_count,
            "cluster_name": self.cluster,
            "job_partition": self.partition,
            "job_nodelist": self.nodelist,
        }


def read_allocation(environment: Mapping[str, str]) -> Allocation | None:
    """Return the allocation that an environment tells of; None outside of one."""
    job_id = environment.get("SLURM_JOB_ID")
    if not job_id:
        return None
    ends_at = _whole(environment.get("SLURM_JOB_END_TIME"))
    return Allocation(
        job_id, _whole(environment.get("SLURM_RESTART_COUNT")) or 0,
        None if ends_at is None else float(ends_at), _whole(environment.get("SLURM_TASK_PID")),
        environment.get("SLURM_CLUSTER_NAME"), environment.get("SLURM_JOB_PARTITION"),
        environment.get("SLURM_JOB_NODELIST"),
    )  # fmt: skip


class Stage(Enum):
    """How near the end of an allocation is."""

    FAR = auto()
    NEAR = auto()
    CLOSING = auto()


@dataclass(frozen=True, slots=True)
class Margins:
    """How long before the end, in seconds, a warning is logged, and windows are closed."""

    warn: float
    close: float

    def within(self, seconds: float) -> Margins:
        """Return them for an allocation of this length: a short one is not closed as soon as it begins."""
        return Margins(self.warn, min(self.close, seconds * CLOSING_SHARE))


def stage(ends_at: float | None, now: float, margins: Margins) -> Stage:
    """Say how near the end is; one that is not known is far."""
    left = float("inf") if ends_at is None else ends_at - now
    if left <= margins.close:
        return Stage.CLOSING
    return Stage.NEAR if left <= margins.warn else Stage.FAR


def seconds_to_next(ends_at: float | None, now: float, margins: Margins) -> float:
    """Return in how many seconds the stage changes by itself; infinite when it does not."""
    if ends_at is None:
        return float("inf")
    changes = (ends_at - margins.warn - now, ends_at - margins.close - now)
    return min((change for change in changes if change > 0), default=float("inf"))


def seconds_to_close(ends_at: float | None, now: float) -> float:
    """Return how long open windows may take to be collected, after Slurm's warning or our own."""
    if ends_at is None:
        return WARNED_SECONDS
    left = max(ends_at - now, 0.0)
    return left - min(RESERVE_SECONDS, left * RESERVE_SHARE)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
