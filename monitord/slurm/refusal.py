"""Turn the errors of Slurm's commands into typed errors with advice. Pure."""

from __future__ import annotations

from monitord.errors import SlurmError


class NoSuchPartitionError(SlurmError):
    """Slurm has no such partition."""


class InvalidAccountError(SlurmError):
    """The account does not exist, or lacks the permission."""


class ControllerDownError(SlurmError):
    """Slurm did not answer; a retry may succeed."""


class OutcomeUnknownError(ControllerDownError):
    """Slurm did not report whether it accepted a submission, and no such job is in the queue."""


class UnknownJobError(SlurmError):
    """Slurm does not know the job, or no longer does."""


class JobOverError(SlurmError):
    """The job has already ended."""


class UnclearError(SlurmError):
    """An unknown error message, so it is not known either whether the command had an effect."""


_ASSOCIATIONS = "list yours with: sacctmgr show associations user=$USER format=account,partition,qos"
_LATER = "try again later; see: scontrol ping"
_NO_CLUSTER = "this machine is not part of a Slurm cluster, or $SLURM_CONF is wrong"
# Parts of Slurm's messages from 22.05 on, the error, and advice. The first match counts.
_KNOWN: tuple[tuple[str, type[SlurmError], str], ...] = (
    ("invalid partition", NoSuchPartitionError, "list partitions with: sinfo --summarize"),
    ("invalid account", InvalidAccountError,
     _ASSOCIATIONS),
    ("invalid qos", SlurmError, _ASSOCIATIONS),
    ("time limit", SlurmError, "see the partition's limit with: sinfo --format='%P %l'"),
    ("--time specification", SlurmError, "write it as minutes, HH:MM:SS or D-HH:MM:SS"),
    ("reservation is invalid", SlurmError, "list reservations with: scontrol show reservation"),
    ("invalid feature", SlurmError, "list features with: sinfo --format='%P %f'"),
    ("invalid node name", SlurmError, "list nodes with: sinfo --Node"),
    ("node configuration is not available", SlurmError,
     "no node has these resources; list them with: sinfo --format='%P %c %m %f'"),
    ("violates accounting/qos policy", SlurmError, "see your limits with: sacctmgr show qos"),
    ("already completing or completed", JobOverError, ""),
    ("already finished", JobOverError, ""),
    ("invalid job id", UnknownJobError, "list yours with: squeue --me"),
    ("unable to contact slurm controller", ControllerDownError, _LATER),
    ("timed out", ControllerDownError, _LATER),
    ("connection refused", ControllerDownError, _LATER),
    ("configuration source", SlurmError, _NO_CLUSTER),
    ("unable to process configuration", SlurmError, _NO_CLUSTER),
)  # fmt: skip


def refusal(program: str, code: int, errors: str) -> SlurmError:
    """Return the error for a failed command, by its exit code and standard error."""
    message = "; ".join(line.strip() for line in errors.splitlines() if line.strip()) or f"exit code {code}"
    lowered = message.lower()
    for text, kind, advice in _KNOWN:
        if text in lowered:
            return kind(f"{program}: {message}" + (f"; {advice}" if advice else ""))
    return UnclearError(f"{program}: {message}")
