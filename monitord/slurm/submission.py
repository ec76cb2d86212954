"""The batch job that runs a session's daemon: its sbatch options and environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitord.slurm.allocation import CLOSING_SHARE
from monitord.slurm.mark import Found, Mark, add_mark, mark_of, oldest_first, session_key, waiting_for

if TYPE_CHECKING:
    from pathlib import Path

SIGNAL_SECONDS = 240
"""How long before the time limit Slurm sends its warning, by the batch script."""

# Options of `monitord start` that are passed to sbatch.
PASSED_ON = ("partition", "account", "qos", "time", "nodelist", "constraint", "reservation")


@dataclass(frozen=True, slots=True)
class Submission:
    """A submitted job, with everything needed to submit another one like it.

    `job_id` is empty if sbatch did not report whether Slurm accepted it.
    """

    job_id: str
    submitted_at: str
    script: str
    options: tuple[str, ...]
    arguments: tuple[str, ...]
    python: str

    def as_json(self) -> dict[str, Any]:
        """Return its published form; `read_submission` is the reverse."""
        return {
            "job_id": self.job_id,
            "submitted_at": self.submitted_at,
            "script": self.script,
            "options": list(self.options),
            "arguments": list(self.arguments),
            "python": self.python,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the script reads."""
        return {"MONITORD_PYTHON": self.python}


def read_submission(value: Any) -> Submission | None:
    """Parse a published submission; None for anything else."""
    try:
        return Submission(
            str(value["job_id"]), str(value["submitted_at"]), str(value["script"]),
            tuple(map(str, value["options"])), tuple(map(str, value["arguments"])), str(value["python"]),
        )  # fmt: skip
    except (KeyError, TypeError):
        return None


def sbatch_options(
    session: str, folder: Path, logs: Path, given: Mapping[str, str | None], more: Sequence[str], mark: Mark
) -> tuple[str, ...]:
    """Return sbatch's options. `given` are those of PASSED_ON; `more` comes last and so takes precedence.

    A comment in `more` is kept, and the mark is added to it.
    """
    options = [
        f"--job-name=monitord-{session}",
        f"--chdir={folder}",
        f"--output={logs / 'slurm-%j.out'}",
        "--export=ALL",  # beats a site's $SBATCH_EXPORT
    ]
    options += [f"--{name}={given[name]}" for name in PASSED_ON if given.get(name)]
    limit = read_limit(given.get("time") or "")
    if limit is not None and limit * CLOSING_SHARE < SIGNAL_SECONDS:
        options.append(f"--signal=B:USR1@{max(1, round(limit * CLOSING_SHARE))}")
    return add_mark((*options, *more), mark)


def read_limit(text: str) -> float | None:
    """Return a time limit in seconds, from sbatch's forms: M, M:S, H:M:S, D-H, D-H:M or D-H:M:S.

    None for anything else, such as `UNLIMITED`.
    """
    found = re.fullmatch(r"(?:([0-9]+)-)?([0-9]+)(?::([0-9]+))?(?::([0-9]+))?", text, re.ASCII)
    if found is None:
        return None
    days, first, second, third = found.groups()
    numbers = [int(number) for number in (first, second, third) if number is not None]
    units = [3600, 60, 1] if days or third else [60, 1]
    return int(days or 0) * 86400 + sum(n * unit for n, unit in zip(numbers, units, strict=False))


def successor_options(options: Sequence[str], job_id: str) -> tuple[str, ...]:
    """Return the options for a job that continues the session when this one has ended in any way."""
    kept = [option for option in options if not option.startswith(("--dependency", "--begin", "--nodelist"))]
    return add_mark((*kept, f"--dependency=afterany:{job_id}"), Mark(key_of(options), job_id))


def successors(found: Sequence[Found], options: Sequence[str], job_id: str) -> tuple[str, ...]:
    """Return those of the user's jobs that were submitted with `successor_options`, the oldest first.

    Sites may rewrite comments, so jobs with the right name and dependency count too.
    """
    mark, name = Mark(key_of(options), job_id), _last(options, "--job-name=")
    return oldest_first((*(job for job in found if mark in job.marks), *waiting_for(found, job_id, name)))


def key_of(options: Sequence[str]) -> str:
    """Return the session's identifier in marks."""
    mark = mark_of(options)
    # Submitted by a version without marks: use the folder's path.
    return mark.session if mark else session_key(_last(options, "--chdir="))


def _last(options: Sequence[str], flag: str) -> str:
    return next((option.removeprefix(flag) for option in reversed(options) if option.startswith(flag)), "")


def environment_for_slurm(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Slurm's commands follow only their arguments.

    Slurm's variables for this job do not apply to other jobs, and a user's `$SQUEUE_STATES` or `$SRUN_MEM`
    would hide jobs or change a step's resources. `$SBATCH_ACCOUNT` and the like are the user's defaults and
    stay.
    """
    removed = ("SLURM_", "SLURMD_", "SRUN_", "SQUEUE_", "SCANCEL_", "SCONTROL_")
    return {
        name: value
        for name, value in environment.items()
        if name in ("SLURM_CONF", "SLURM_CLUSTERS") or not name.startswith(removed)
    }


def ssh_lines(url_host: str, port: int, node: str, user: str, login: str) -> tuple[str, str]:
    """Return the commands that forward a port of a node to the login host, and to the user's own machine.

    `url_host` is the server's listen address; on loopback, only its own node reaches it.
    """
    loopback = url_host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::")  # noqa: S104
    target = "127.0.0.1" if loopback else url_host
    forward = f"ssh -N -L {port}:{target}:{port}"
    return f"{forward} {node}", f"{forward} -J {user}@{login} {user}@{node}"
