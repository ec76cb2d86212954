"""Private folders where others write too."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitord.errors import InvalidInputError
from monitord.scratch import held_bytes, make_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_both_levels_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "monitord-7" / "bench"
    make_private(folder)
    make_private(folder)
    assert (mode(folder), mode(folder.parent)) == (0o700, 0o700)


def test_what_is_open_to_others_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    make_private(folder)
    assert mode(folder) == 0o700


def test_a_link_that_somebody_put_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError, match="is a link or another user's"):
        make_private(tmp_path / "a" / "b")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InvalidInputError, match="set TMPDIR"):
        make_private(tmp_path / "a" / "b")


def test_what_a_folder_holds_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(bytes(1000))
    (tmp_path / "y").write_bytes(bytes(10))
    assert held_bytes(tmp_path) == 1010
    assert held_bytes(tmp_path / "none") == 0
