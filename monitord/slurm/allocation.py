"""The allocation that the daemon runs in, and how near its end is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

# Reserved of the time left, for the last snapshot, the end of Prometheus and the last heartbeat.
RESERVE_SECONDS = 20.0
RESERVE_SHARE = 0.25  # but at most this share of it
# Time left after a warning signal if the end is not known; the batch script requests 240 s.
WARNED_SECONDS = 200.0

# The share of an allocation that closing windows may take at most.
CLOSING_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Allocation:
    """A batch job as its environment describes it.

    `ends_at` is in Unix seconds; Slurm before 23.02 does not set it, and it can change later. `batch_pid`
    is the process of the batch script, or what it became by exec: the one that gets Slurm's signals.
    """

    job_id: str
    restart_count: int = 0
    ends_at: float | None = None
    batch_pid: int | None = None
    cluster: str | None = None
    partition: str | None = None
    nodelist: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return its form in the manifest and the heartbeat."""
        return {
            "job_id": self.job_id,
            "restart_count": self.restart_count,
            "cluster_name": self.cluster,
            "job_partition": self.partition,
            "job_nodelist": self.nodelist,
        }


def read_allocation(environment: Mapping[str, str]) -> Allocation | None:
    """Return the allocation that the environment describes; None outside of a job."""
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
    """Seconds before the end at which a warning is logged, and windows are closed."""

    warn: float
    close: float

    def within(self, seconds: float) -> Margins:
        """Return the margins for an allocation of this length: in a short one, windows are closed later."""
        return Margins(self.warn, min(self.close, seconds * CLOSING_SHARE))


def stage(ends_at: float | None, now: float, margins: Margins) -> Stage:
    """Return how near the end is; an unknown end is far."""
    left = float("inf") if ends_at is None else ends_at - now
    if left <= margins.close:
        return Stage.CLOSING
    return Stage.NEAR if left <= margins.warn else Stage.FAR


def seconds_to_next(ends_at: float | None, now: float, margins: Margins) -> float:
    """Return the seconds until the stage changes; infinite if it will not."""
    if ends_at is None:
        return float("inf")
    changes = (ends_at - margins.warn - now, ends_at - margins.close - now)
    return min((change for change in changes if change > 0), default=float("inf"))


def seconds_to_close(ends_at: float | None, now: float) -> float:
    """Return the time for collecting open windows after Slurm's warning or our own."""
    if ends_at is None:
        return WARNED_SECONDS
    left = max(ends_at - now, 0.0)
    return left - min(RESERVE_SECONDS, left * RESERVE_SHARE)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
