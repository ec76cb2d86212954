"""A session in the hands of its daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitord.session.folder import Session
from monitord.session.held import hold
from tests.fakes.guard import unguarded


def test_what_a_daemon_publishes_is_confirmed_right_before_it_is_seen(tmp_path: Path) -> None:
    def refuse() -> None:
        raise PermissionError("another daemon has the session")

    session = Session(tmp_path, "s")
    session.create(b"session: s\n")
    with pytest.raises(PermissionError, match="another daemon"):
        hold(session, refuse).publish(session.daemon_status, b"{}")
    assert not session.daemon_status.exists()
    assert hold(session, unguarded).publish(session.daemon_status, b"{}")


def test_nothing_is_confirmed_where_nothing_changes(tmp_path: Path) -> None:
    session, asked = Session(tmp_path, "s"), list[None]()
    session.create(b"session: s\n")
    held = hold(session, lambda: asked.append(None))
    assert held.publish(session.daemon_status, b"{}")
    assert not held.publish(session.daemon_status, b"{}")
    assert len(asked) == 1
