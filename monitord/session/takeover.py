"""How a session's holder is judged before the session is taken over."""

from __future__ import annotations

import time
from contextlib import suppress

from monitord.errors import SlurmError
from monitord.session.folder import Session
from monitord.session.lease import Signs
from monitord.session.liveness import heartbeat_of
from monitord.slurm.runner import SlurmRunner
from monitord.system.fresh_listing import listing_refresher


def signs_of(session: Session) -> Signs:
    """Return the signs that show whether a session's holder is gone."""
    refresh = listing_refresher(session.status)

    def heartbeat() -> object:
        with suppress(OSError):  # a full disk, say: opening the file asks the server all the same
            refresh(session.status)
        return heartbeat_of(session)

    return Signs(heartbeat, time.sleep, is_queued, refresh=refresh)


def is_queued(job_id: str) -> bool | None:
    """Return whether a job is in the queue; None where Slurm does not answer."""
    try:
        return SlurmRunner(pauses=()).job(job_id) is not None
    except SlurmError:
        return None
