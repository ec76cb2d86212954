"""The markers that the command line writes, and those that it had better not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitord.cli.window import command
from monitord.errors import InvalidInputError
from monitord.session.folder import Session

OURS, DAEMON, THEIRS = os.geteuid(), 5, 7


@pytest.mark.skipif(OURS != 0, reason="only root can write files of several users")
@pytest.mark.parametrize(("owner", "daemon"), [(OURS, DAEMON), (THEIRS, OURS), (THEIRS, DAEMON)])
@pytest.mark.parametrize("verb", ["stop", "cancel"])
def test_a_window_of_another_user_is_not_closed_in_vain(
    tmp_path: Path, verb: str, owner: int, daemon: int
) -> None:
    session = Session(tmp_path, "s")
    session.create(b"session: s\n")
    (session.windows / "r.start").touch()
    os.chown(session.windows / "r.start", owner, -1)
    os.chown(session.folder, daemon, -1)
    ran = CliRunner().invoke(command, [verb, "-s", "s", "--root", str(tmp_path), "--id", "r"])
    counts = OURS in (owner, daemon)
    assert (session.windows / f"r.{verb}").exists() == counts
    assert isinstance(ran.exception, InvalidInputError) != counts
    assert counts or "window r belongs to another user (uid 7): only that user, or" in str(ran.exception)
