"""Parse what Slurm's commands print about jobs. Pure.

One line per job with fields separated by `|`, which `squeue --format` has printed alike in every version
since 22.05, while its JSON changed in almost every one. Times are requested as Unix seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The reason comes last, because it may contain any character.
QUEUE_FORMAT = "%i|%A|%F|%T|%S|%e|%N|%B|%P|%r"
STEP_FORMAT = "%i|%j"
TIME_FORMAT = "%s"
"""For $SLURM_TIME_FORMAT: without it, times are local and without a zone."""

# Slurm's spellings of an empty field.
_NOTHING = frozenset({"", "n/a", "N/A", "None", "(null)", "Unknown", "NONE"})
OVER = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
        "PREEMPTED", "REVOKED", "TIMEOUT",
    }
)  # fmt: skip
"""Final states; a requeued job is shown as pending."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the queue.

    `names` are all ids by which users may refer to it: `7_2`, its own number, and 7. `number` is unique, and
    accepted by srun. Times are Unix seconds: a pending job may have an expected start, a running one has the
    end by its time limit.
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
    """How a job ended: Slurm's state, exit code or signal, and its output file."""

    state: str
    exit_code: int
    signal: int
    output: str | None

    def __str__(self) -> str:
        how = f"signal {self.signal}" if self.signal else f"exit code {self.exit_code}"
        return f"{self.state}, {how}"


def read_queue(text: str) -> tuple[Job, ...]:
    """Parse the output of `squeue` with QUEUE_FORMAT. Raises ValueError."""
    return tuple(_read_job(line) for line in text.splitlines() if line.strip())


def read_submitted(text: str) -> str:
    """Parse the job id that `sbatch --parsable` printed, `ID` or `ID;CLUSTER`. Raises ValueError."""
    lines = text.split()  # a site's plugin may print something first
    found = re.fullmatch(r"([0-9]+)(;\S+)?", lines[-1]) if lines else None
    if found is None:
        raise ValueError(f"{text.strip()!r} is not a job id")
    return found[1]


def read_ending(text: str) -> Ending:
    """Parse how a job ended from `scontrol show job --oneliner`. Raises ValueError."""
    fields = dict(re.findall(r"(?:^|\s)(\w+)=(\S*)", text))
    code = re.fullmatch(r"([0-9]+):([0-9]+)", fields.get("ExitCode", ""))
    if "JobState" not in fields or code is None:
        raise ValueError("it has no JobState and ExitCode")
    return Ending(fields["JobState"], int(code[1]), int(code[2]), _known(fields.get("StdOut", "")))


def read_steps(text: str, name: str) -> tuple[str, ...]:
    """Return the ids of the steps with a name, from the output of `squeue --steps` with STEP_FORMAT."""
    lines = [line.partition("|") for line in text.splitlines()]
    return tuple(step for step, _, named in lines if named == name)


def _read_job(line: str) -> Job:
    fields = line.strip().split("|", QUEUE_FORMAT.count("|"))
    if len(fields) != QUEUE_FORMAT.count("|") + 1:
        raise ValueError(f"{line.strip()!r} is not a line of squeue")
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
