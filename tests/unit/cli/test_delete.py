"""Deleting a session takes its lease first, and is called again where it was interrupted."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.cli import execute
from monitord.session.folder import Session
from monitord.session.lease import Holder, Signs, acquire, read_holder
from monitord.system.fresh_listing import no_refresh
from tests.fakes.small_disk import SmallDisk, small_disk


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return made(tmp_path)


def made(root: Path) -> Session:
    session = Session(root, "s")
    session.create(b"session: s\n")
    (session.logs / "prometheus.log").write_text("x" * 8192)
    (session.artifacts / "w1").mkdir()
    return session


def hold(session: Session, *, deletes: bool = False) -> Holder:
    signs = Signs(lambda: None, time.sleep, refresh=no_refresh)
    return acquire(session.lease, socket.gethostname(), time.time(), signs, deletes=deletes)


def delete(session: Session, *flags: str) -> int:
    return execute(["delete", "--root", str(session.root), "-s", session.name, *flags])


def test_a_session_that_runs_stays_as_it_is(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    holder = hold(session)  # this process lives
    assert delete(session) == 1
    assert (
        f"session s is running: {holder}; stop it first with: monitord stop -s s" in capsys.readouterr().err
    )
    assert read_holder(session.lease) == holder
    assert (session.logs / "prometheus.log").exists()


def test_artifacts_are_kept_and_nothing_else(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert delete(session, "--keep-artifacts") == 0
    assert capsys.readouterr().out == f"{session.artifacts}\n"
    assert [path.name for path in session.folder.rglob("*")] == ["artifacts", "w1"]


def test_what_an_interrupted_one_left_is_deleted(session: Session) -> None:
    shutil.rmtree(session.logs)
    shutil.rmtree(session.status)
    assert delete(session) == 0
    assert not session.folder.exists()


def test_one_that_is_under_way_is_not_disturbed(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    hold(session, deletes=True)
    assert delete(session) == 1
    assert "session s: this session is being deleted: host" in capsys.readouterr().err
    assert session.exists()


def test_what_refuses_gives_the_session_back(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    session.submission.write_text('{"job_id": "7"}')
    monkeypatch.setenv("PATH", str(tmp_path))  # Slurm cannot be asked
    assert delete(session) == 6
    assert read_holder(session.lease) is None
    assert hold(session).term == 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 256) as found:
        yield found


def test_a_full_disk_is_no_reason_to_keep_it(disk: SmallDisk) -> None:
    session = made(disk.folder)
    disk.fill()
    assert delete(session) == 0
    assert not session.folder.exists()


def test_on_a_full_disk_what_runs_keeps_all_it_has(disk: SmallDisk) -> None:
    session = made(disk.folder)
    hold(session)
    disk.fill()
    assert delete(session) == 1
    assert (session.logs / "prometheus.log").exists()
