"""Why a Prometheus ended, from its exit code and the errors it logged (pure).

Every failed start exits with 1, so only the message distinguishes a broken disk from a taken port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from monitord.prometheus.config.go_runtime import NO_THREAD, NO_THREAD_ADVICE


class Cause(Enum):
    """What a run ended of."""

    CRASHED = "crashed"
    UNWRITABLE = "unwritable"
    """Its data folder takes no writes: full, over quota, read-only or owned by another user."""
    STORAGE = "storage"
    """It refuses its data; others are needed."""
    LOCKED = "locked"
    PORT = "port"
    NOT_RUN = "not run"
    KILLED = "killed"
    LIMITED = "limited"
    """No process or thread was available, or what its start needs could not be read at that moment."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause, and what the user should know or do; empty where the errors are enough."""

    cause: Cause
    advice: str = ""


# None of these is caused by the data, although Prometheus reports that it could not open them.
_CIRCUMSTANCES: tuple[tuple[str, Cause, str], ...] = (
    ("no space left on device", Cause.UNWRITABLE, "free some space; it is started once there is some"),
    ("disk quota exceeded", Cause.UNWRITABLE, "the quota is used up; it is started once there is room"),
    ("read-only file system", Cause.UNWRITABLE, "set prometheus.data_dir to a folder that can be written"),
    ("bus error", Cause.UNWRITABLE, "free some space; a file that it maps has no room"),
    ("operation not permitted", Cause.UNWRITABLE, "set prometheus.data_dir to a folder of your own"),
    ("permission denied", Cause.UNWRITABLE, "set prometheus.data_dir to a folder of your own"),
    ("lock db directory: function not implemented", Cause.LOCKED,
     "that file system has no locks; set prometheus.data_dir to a node-local disk"),
    ("lock db directory", Cause.LOCKED, "another Prometheus has this data folder open; end it first"),
    ("address already in use", Cause.PORT, "set prometheus.port to another one, or to 0 for a free one"),
    ("cannot assign requested address", Cause.PORT, "prometheus.host is no address of this machine"),
    *((words, Cause.LIMITED, NO_THREAD_ADVICE) for words in NO_THREAD),
    ("too many open files", Cause.CRASHED, "raise the limit: ulimit -n"),
    ("cannot allocate memory", Cause.CRASHED, "the allocation's memory is used up"),
    ("input/output error", Cause.CRASHED, "the disk fails; set prometheus.data_dir to another one"),
    ("stale file handle", Cause.CRASHED, "the file system was away; it is tried again"),
)  # fmt: skip
_REFUSED_DATA = "opening storage failed"
_KILLED = -9
_EXIT_NOT_RUN = 127


def diagnose(code: int, errors: Sequence[str]) -> Diagnosis:
    """Return what an exit means: `code` is -N for signal N, `errors` what the run logged as such."""
    if code == _EXIT_NOT_RUN:
        return Diagnosis(Cause.NOT_RUN, "set MONITORD_PROMETHEUS to a Prometheus that runs here")
    text = "\n".join(errors).lower()
    for words, cause, advice in _CIRCUMSTANCES:
        if words in text:
            return Diagnosis(cause, advice)
    if code == _KILLED:
        return Diagnosis(Cause.KILLED, "it was killed by somebody, or by the kernel for lack of memory")
    if code > 0 and _REFUSED_DATA in text:
        return Diagnosis(Cause.STORAGE)
    return Diagnosis(Cause.CRASHED)
