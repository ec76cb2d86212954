"""`monitord delete`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import click

from monitord.cli.options import open_session, session_option
from monitord.cli.output import say
from monitord.errors import ExitCode, InvalidInputError
from monitord.overview import is_running
from monitord.session import Session


def _refuse_queued(session: Session) -> None:
    if not session.submission.exists():
        return
    from monitord.cli.jobs import describe, queued_jobs

    if jobs := queued_jobs(session):
        raise InvalidInputError(
            f"session {session.name} has a job in the queue: {'; '.join(map(describe, jobs))}; end it first "
            f"with: monitord stop -s {session.name}"
        )


@click.command("delete")
@session_option
@click.option("--keep-artifacts", is_flag=True, help="Leave the folder artifacts/ where it is.")
def command(session_name: str, root: Path, keep_artifacts: bool) -> int:
    """Delete the folder of a stopped session.

    \b
    Example:
      monitord delete --session bench01 --keep-artifacts
    """
    session = open_session(root, session_name)
    if is_running(session, time.time()):
        raise InvalidInputError(
            f"session {session_name} is running; stop it first with: monitord stop -s {session_name}"
        )
    _refuse_queued(session)
    kept = session.artifacts if keep_artifacts else None
    # The settings file last: until then a delete that was interrupted can be called again.
    for path in sorted(session.folder.iterdir(), key=lambda path: path == session.settings_file):
        if path == kept:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if kept is None:
        session.folder.rmdir()
    else:
        say(kept)
    return ExitCode.OK
