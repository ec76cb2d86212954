"""Taking a session: what shows that the one who holds it is gone, and that a folder is seen as it is."""

from __future__ import annotations

import time
from contextlib import suppress

from monitord.errors import SlurmError
from monitord.session.folder import Session
from monitord.session.lease import Signs
from monitord.session.liveness import heartbeat_of
from monitord.slurm.runner import SlurmRunner
from monitord.system.fresh_listing import seeing_clearly


def signs_of(session: Session) -> Signs:
    """Return the signs by which a session's holder is judged."""
    clear = seeing_clearly(session.status)

    def heartbeat() -> object:
        with suppress(OSError):  # on a full disk, say: what is opened is the server's all the same
            clear(session.status)
        return heartbeat_of(session)

    return Signs(heartbeat, time.sleep, is_queued, clear=clear)


def is_queued(job_id: str) -> bool | None:
    """Say whether a job is in the queue; None where Slurm does not say."""
    try:
        return SlurmRunner(pauses=()).job(job_id) is not None
    except SlurmError:
        return None
