"""The session folder: who may do what in it, and names that any file can have."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import InvalidInputError
from monitord.session import folder as session_module
from monitord.session.folder import Session, default_root, escape_file_name, unescape_file_name
from monitord.system.atomic import temporary_beside


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path / "root", "bench01")


@pytest.fixture
def own_group() -> str:
    return grp.getgrgid(os.getgid()).gr_name


def test_a_session_is_its_owners_alone_whatever_the_umask(session: Session) -> None:
    before = os.umask(0)
    try:
        session.create(b"session: bench01\n")
    finally:
        os.umask(before)
    folders = [session.folder, *(path for path in session.folder.rglob("*") if path.is_dir())]
    assert {mode(folder) for folder in folders} == {0o700}
    assert mode(session.settings_file) == 0o600
    assert session.settings_file.read_bytes() == b"session: bench01\n"
    assert session.exists()
    assert session.file_mode == 0o600


def test_so_are_a_root_and_what_was_missing_on_the_way_to_it(tmp_path: Path) -> None:
    session, before = Session(tmp_path / "a" / "b" / "root", "bench01"), os.umask(0)
    try:
        session.create(b"")
    finally:
        os.umask(before)
    assert {mode(folder) for folder in (session.root, *session.root.parents[:2])} == {0o700}


@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_group_gets_through_a_root_that_was_made_for_it_and_cannot_write_there(
    tmp_path: Path, own_group: str, umask: int
) -> None:
    session, before = Session(tmp_path / "a" / "root", "bench01"), os.umask(umask)
    try:
        session.create(b"", group=own_group)
    finally:
        os.umask(before)
    assert {mode(folder) for folder in (session.root, session.root.parent)} == {0o750}
    assert session.root.stat().st_gid == os.getgid()


def test_a_root_that_was_there_is_left_as_it_is(tmp_path: Path, own_group: str) -> None:
    tmp_path.chmod(0o711)
    Session(tmp_path, "bench01").create(b"", group=own_group)
    assert mode(tmp_path) == 0o711


def test_every_folder_the_daemon_writes_to_is_there(session: Session) -> None:
    session.create(b"")
    for path in (
        session.target_status("c1.yaml"),
        session.window_status("run01"),
        session.daemon_status,
        session.prometheus_config,
        session.log_file,
    ):
        assert path.parent.is_dir()
    for folder in (session.targets, session.windows, session.artifacts, session.file_sd):
        assert folder.is_dir()


def test_a_group_may_drop_and_read_but_not_see_secrets(session: Session, own_group: str) -> None:
    session.create(b"", group=own_group)
    assert mode(session.folder) == 0o2750
    assert {mode(session.targets), mode(session.windows)} == {0o3770}
    assert {mode(session.status), mode(session.artifacts), mode(session.logs)} == {0o2750}
    assert {mode(session.prometheus), mode(session.file_sd)} == {0o700}
    assert mode(session.settings_file) == 0o640
    assert session.targets.stat().st_gid == os.getgid()
    assert session.file_mode == 0o640
    assert all(mode(path) & 0o007 == 0 for path in session.folder.rglob("*"))


def test_an_existing_session_is_left_alone(session: Session) -> None:
    session.create(b"one")
    with pytest.raises(InvalidInputError, match="bench01 exists already"):
        session.create(b"two")
    assert session.settings_file.read_bytes() == b"one"


def test_an_unknown_group_leaves_nothing_behind(session: Session) -> None:
    with pytest.raises(InvalidInputError, match="no Unix group 'no such group'"):
        session.create(b"", group="no such group")
    assert not session.folder.exists()


def test_a_foreign_group_leaves_nothing_behind(
    session: Session, own_group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(InvalidInputError, match=f"not a member of the group {own_group}"):
        session.create(b"", group=own_group)
    assert not session.folder.exists()


def test_a_full_disk_leaves_nothing_behind(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session_module, "write_synced", fail)
    with pytest.raises(OSError, match="No space left"):
        session.create(b"")
    assert not session.folder.exists()


@given(st.binary(min_size=1, max_size=60).filter(lambda raw: b"/" not in raw and b"\0" not in raw))
def test_any_file_name_is_escaped_and_back(raw: bytes) -> None:
    name = os.fsdecode(raw)
    escaped = escape_file_name(name)
    assert escaped.isascii()
    assert escaped.isprintable()
    assert "/" not in escaped
    assert unescape_file_name(escaped) == name


def test_usual_names_are_not_changed() -> None:
    assert escape_file_name("c1-triton_0.yaml") == "c1-triton_0.yaml"


def test_the_longest_names_get_distinct_statuses_that_can_be_written(session: Session) -> None:
    session.create(b"")
    names = [os.fsdecode(b"\xc3\xa9" * 125 + end) for end in (b"1.yml", b"2.yml")]
    for name in names:
        session.target_status(name).write_text("{}")
    assert len(list(session.target_statuses.iterdir())) == 2
    assert len(temporary_beside(session.target_status(names[0])).name) <= 255


def test_where_sessions_live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MONITORD_ROOT", "/lustre/sessions")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == Path("/lustre/sessions")
    monkeypatch.delenv("MONITORD_ROOT")
    assert default_root() == Path("/state/monitord")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_root() == tmp_path / ".local/state/monitord"
