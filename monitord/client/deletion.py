"""Deleting the folder of a stopped session."""

from __future__ import annotations

import errno
import shutil
import socket
import time
from pathlib import Path

from monitord.client.waiting import Show, show_nothing
from monitord.errors import InvalidInputError
from monitord.session.folder import Session
from monitord.session.lease import HeldError, Holder, acquire, release
from monitord.session.takeover import signs_of
from monitord.system.fresh_listing import no_refresh

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_TRIES = 3


def delete(session: Session, *, keep_artifacts: bool = False, show: Show = show_nothing) -> None:
    """Delete a session's folder, with or without its artifacts.

    Raises InvalidInputError while a daemon runs the session, another command deletes it, or Slurm has a
    job of it in the queue; SlurmError when Slurm cannot be asked.
    """
    show("making sure that no daemon runs the session")
    holder = _take(session)
    try:
        _refuse_queued(session)
    except BaseException:
        release(session.lease, holder)
        raise
    _remove(session, keep_artifacts)


def _take(session: Session) -> Holder:
    """Take the session as a daemon would, so that none runs it and none can start."""
    session.status.mkdir(mode=0o700, exist_ok=True)  # a delete before this one may have been interrupted
    try:
        return _acquire(session)
    except HeldError as error:
        if error.holder is None or error.holder.deletes:
            raise InvalidInputError(f"session {session.name}: {error}") from None
        raise InvalidInputError(
            f"session {session.name} is running: {error.holder}; stop it first with: "
            f"monitord stop -s {session.name}"
        ) from None


def _acquire(session: Session) -> Holder:
    host, signs = socket.gethostname(), signs_of(session)
    try:
        return acquire(session.lease, host, time.time(), signs, deletes=True)
    except OSError as error:
        # Where listings are cached, clearing them needs room as well: no holder has been judged yet.
        if error.errno not in _NO_ROOM or signs.refresh is not no_refresh:
            raise
    # The holder was judged before, and is gone. What is deleted anyway makes room for the lease.
    shutil.rmtree(session.logs, ignore_errors=True)
    return acquire(session.lease, host, time.time(), signs, deletes=True)


def _refuse_queued(session: Session) -> None:
    if not session.submission.exists():
        return
    from monitord.client.jobs import all_jobs, describe
    from monitord.client.status import daemon_status

    if jobs := all_jobs(session, daemon_status(session)):
        raise InvalidInputError(
            f"session {session.name} has a job in the queue: {'; '.join(map(describe, jobs))}; end it first "
            f"with: monitord stop -s {session.name}"
        )


def _remove(session: Session, keep_artifacts: bool) -> None:
    """Remove the session's folder in an order that survives an interruption.

    Its settings go late, so that `delete` can be called again, and the lease after them, so that a
    daemon that starts without a lease finds no settings.
    """
    late = {session.status, session.settings_file, *((session.artifacts,) if keep_artifacts else ())}
    for path in session.folder.iterdir():
        if path not in late:
            _remove_path(path)
    for path in session.status.iterdir():
        if path != session.lease:
            _remove_path(path)
    session.settings_file.unlink(missing_ok=True)
    _remove_path(session.status)
    if not keep_artifacts:
        session.folder.rmdir()


def _remove_path(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    for _ in range(_TRIES):
        try:
            shutil.rmtree(path)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
        else:
            return
    raise InvalidInputError(
        f"{path} is still being written to; end the program that writes there, then delete again"
    )
