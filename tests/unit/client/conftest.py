"""A session as the command line creates it, without a daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitord.session.folder import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = Session(tmp_path, "s")
    made.create(b"session: s\n")
    return made
