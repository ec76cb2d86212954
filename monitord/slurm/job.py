"""What Slurm says of a job, as values. Pure.

One line a job, fields divided by `|`, as `squeue --format` has printed them in every version since
22.05; its JSON changed with almost every one of them. Times are asked for as Unix seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The reason comes last: nothing but its end ends it.
QUEUE_FORMAT = "%i|%A|%F|%T|%S|%e|%N|%B|%P|%r"
STEP_FORMAT = "%i|%j"
TIME_FORMAT = "%s"
"""For $SLURM_TIME_FORMAT: without it times are local ones that do not say so."""

# Words for "there is none", in the fields that can be without.
_NOTHING = frozenset({"", "n/a", "N/A", "None", "(null)", "Unknown", "NONE"})
OVER = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
        "PREEMPTED", "REVOKED", "TIMEOUT",
    }
)  # fmt: skip
"""States that a job does not leave; one that is requeued shows as pending."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the queue shows it.

    `names` are all ids that users may mean it by: `7_2`, its own number, and 7; `number` is the one that
    only it has, and that srun takes. Times are Unix seconds;
    a job that waits may have an expected start, one that runs has the end that its time limit gives it.
    """

    id: str
    names: frozenset[str]
    state: str
    starts_at: float | None = None
    ends_at: float | None = None
    nodelist: str | None = None
    batch_host: str | None = None
    partition: str | None = None
    reason: str | None = None
    number: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: Slurm's state for it, its exit code or the signal, and where it wrote to."""

    state: str
    exit_code: int
    signal: int
    output: str | None

    def __str__(self) -> str:
        how = f"signal {self.signal}" if self.signal else f"exit code {self.exit_code}"
        return f"{self.state}, {how}"


def read_queue(text: str) -> tuple[Job, ...]:
    """Read what `squeue --format` printed by QUEUE_FORMAT. Raises ValueError for anything else."""
    return tuple(_read_job(line) for line in text.splitlines() if line.strip())


def read_submitted(text: str) -> str:
    """Return the job that `sbatch --parsable` printed, `ID` or `ID;CLUSTER`. Raises ValueError."""
    lines = text.split()  # a site's own plugin may print before it
    found = re.fullmatch(r"([0-9]+)(;\S+)?", lines[-1]) if lines else None
    if found is None:
        raise ValueError(f"{text.strip()!r} is no job id")
    return found[1]


def read_ending(text: str) -> Ending:
    """Read how a job ended from `scontrol show job --oneliner`. Raises ValueError."""
    fields = dict(re.findall(r"(?:^|\s)(\w+)=(\S*)", text))
    code = re.fullmatch(r"([0-9]+):([0-9]+)", fields.get("ExitCode", ""))
    if "JobState" not in fields or code is None:
        raise ValueError("no JobState and ExitCode in it")
    return Ending(fields["JobState"], int(code[1]), int(code[2]), _known(fields.get("StdOut", "")))


def read_steps(text: str, name: str) -> tuple[str, ...]:
    """Return the ids of the steps of one name that `squeue --steps` printed by STEP_FORMAT."""
    lines = [line.partition("|") for line in text.splitlines()]
    return tuple(step for step, _, named in lines if named == name)


def _read_job(line: str) -> Job:
    fields = line.strip().split("|", QUEUE_FORMAT.count("|"))
    if len(fields) != QUEUE_FORMAT.count("|") + 1:
        raise ValueError(f"{line.strip()!r} is not a line of squeue's")
    *names, state, starts, ends, nodelist, batch_host, partition, reason = fields
    return Job(
        names[0], frozenset(names), state, _seconds(starts), _seconds(ends),
        _known(nodelist), _known(batch_host), _known(partition), _known(reason),
        names[1],
    )  # fmt: skip


def _known(text: str) -> str | None:
    return None if text in _NOTHING else text


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
