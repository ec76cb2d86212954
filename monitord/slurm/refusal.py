"""What Slurm's commands complain of, as errors that say what to do. Pure."""

from __future__ import annotations

from monitord.errors import SlurmError


class NoSuchPartitionError(SlurmError):
    """A partition that Slurm does not have."""


class InvalidAccountError(SlurmError):
    """An account that does not exist, or that may not do this."""


class ControllerDownError(SlurmError):
    """Slurm did not answer; the same question may be answered later."""


class OutcomeUnknownError(ControllerDownError):
    """A submission of which Slurm did not report whether it was accepted, and no job is in the queue."""


class UnknownJobError(SlurmError):
    """A job that Slurm does not know, or does not know any more."""


class JobOverError(SlurmError):
    """A job that has ended already."""


class UnclearError(SlurmError):
    """A complaint in words that are not known: whether anything was done is not either."""


_ASSOCIATIONS = "see yours with: sacctmgr show associations user=$USER format=account,partition,qos"
_LATER = "try again later; see: scontrol ping"
_NO_CLUSTER = "this machine is not part of a Slurm cluster, or $SLURM_CONF is wrong"
# What Slurm's messages hold, from 22.05 to 25.x, and what helps. The first that is found counts.
_KNOWN: tuple[tuple[str, type[SlurmError], str], ...] = (
    ("invalid partition", NoSuchPartitionError, "see what there is with: sinfo --summarize"),
    ("invalid account", InvalidAccountError,
     _ASSOCIATIONS),
    ("invalid qos", SlurmError, _ASSOCIATIONS),
    ("time limit", SlurmError, "see the partition's limit with: sinfo --format='%P %l'"),
    ("--time specification", SlurmError, "write it as minutes, HH:MM:SS or D-HH:MM:SS"),
    ("reservation is invalid", SlurmError, "see what there is with: scontrol show reservation"),
    ("invalid feature", SlurmError, "see what there is with: sinfo --format='%P %f'"),
    ("invalid node name", SlurmError, "see what there is with: sinfo --Node"),
    ("node configuration is not available", SlurmError,
     "no node has what was asked for; see what there is with: sinfo --format='%P %c %m %f'"),
    ("violates accounting/qos policy", SlurmError, "see your limits with: sacctmgr show qos"),
    ("already completing or completed", JobOverError, ""),
    ("already finished", JobOverError, ""),
    ("invalid job id", UnknownJobError, "see yours with: squeue --me"),
    ("unable to contact slurm controller", ControllerDownError, _LATER),
    ("timed out", ControllerDownError, _LATER),
    ("connection refused", ControllerDownError, _LATER),
    ("configuration source", SlurmError, _NO_CLUSTER),
    ("unable to process configuration", SlurmError, _NO_CLUSTER),
)  # fmt: skip


def refusal(program: str, code: int, errors: str) -> SlurmError:
    """Return what a command's failure means, from its exit code and what it wrote to standard error."""
    said = "; ".join(line.strip() for line in errors.splitlines() if line.strip()) or f"exit code {code}"
    low = said.lower()
    for sign, kind, advice in _KNOWN:
        if sign in low:
            return kind(f"{program}: {said}" + (f"; {advice}" if advice else ""))
    return UnclearError(f"{program}: {said}")
