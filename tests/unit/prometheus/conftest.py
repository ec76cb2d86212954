"""A session's folder for what is prepared in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitord.session.folder import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path / "root", "bench01")
    session.create(b"")
    return session
