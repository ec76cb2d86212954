"""The folders of a Prometheus, made; and the run folder's files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from monitord.errors import InvalidInputError
from monitord.prometheus.config.run_folder import RunFolder
from monitord.prometheus.data import data_folders
from monitord.prometheus.data.data_folders import make_data_folder, make_run_folder, measure
from monitord.prometheus.data.storage import Storage
from monitord.session.folder import Session


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    folder.mkdir(mode=0o700)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_data_go_to_the_jobs_scratch(session: Session, scratch: Path) -> None:
    made = make_data_folder(session, None, {"SLURM_TMPDIR": str(scratch)})
    assert made.folder.is_relative_to(scratch)
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert made.warnings == ()
    assert make_data_folder(session, None, {"SLURM_TMPDIR": str(scratch)}) == made


def test_one_session_has_one_folder_however_its_root_is_written(session: Session, scratch: Path) -> None:
    link = session.root.parent / "link"
    link.symlink_to(session.root)
    environment = {"SLURM_TMPDIR": str(scratch)}
    assert make_data_folder(Session(link, "bench01"), None, environment) == make_data_folder(
        session, None, environment
    )


def test_scratch_that_is_not_on_this_node_gives_way_with_a_warning(session: Session, tmp_path: Path) -> None:
    environment = {"SLURM_JOB_ID": "7", "TMPDIR": str(tmp_path / "login-node-only")}
    made = make_data_folder(session, None, environment)
    assert made.folder == session.data
    assert len(made.warnings) == 1
    assert made.warnings[0].startswith(f"$TMPDIR: {tmp_path}/login-node-only/monitord-")


def test_a_folder_that_was_named_is_left_to_be_waited_for(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = make_data_folder(session, str(tmp_path / "file" / "data"), {"SLURM_TMPDIR": str(tmp_path)})
    assert made.folder == tmp_path / "file" / "data"
    assert "cannot be written: Not a directory" in Storage(made.folder).try_writing()


def test_data_on_a_network_file_system_are_warned_of(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folders, "file_system_of", lambda _: "nfs4")
    (warning,) = make_data_folder(session, None, {}).warnings
    assert f"{session.data} is on nfs4" in warning


def test_what_a_folder_takes_is_measured(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    before = measure(tmp_path)
    (tmp_path / "a" / "b").write_bytes(b"x" * 200_000)
    (tmp_path / "gone").symlink_to("nowhere")
    free, held = measure(tmp_path)
    assert 200_000 <= held - before[1] < 300_000
    assert free > 0
    with pytest.raises(OSError, match="No such file"):
        measure(tmp_path / "missing")


def test_the_run_folder_is_made_anew_with_its_files_and_removed_whole(
    session: Session, scratch: Path
) -> None:
    run = RunFolder(make_run_folder(session, {"SLURM_TMPDIR": str(scratch)}).location)
    run.refresh({"web.yml": b"one", "tls.key": b"key"})
    assert files(run.folder) == {"web.yml": b"one", "tls.key": b"key"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in run.folder.iterdir() if file.is_file()} == {0o600}
    assert stat.S_IMODE(run.file_sd.stat().st_mode) == 0o700

    run.remove()
    assert list(scratch.rglob("bench01*")) == []

    run.refresh({"web.yml": b"two"})
    assert files(run.folder) == {"web.yml": b"two"}


def test_data_beside_the_run_folder_stay(session: Session, scratch: Path) -> None:
    environment = {"SLURM_TMPDIR": str(scratch)}
    data = make_data_folder(session, None, environment)
    run = RunFolder(make_run_folder(session, environment).location)
    run.remove()
    run.remove()
    assert data.folder.is_dir()
    assert not run.folder.exists()


def test_a_run_folder_that_became_a_trap_is_not_written_to(session: Session, scratch: Path) -> None:
    run = RunFolder(make_run_folder(session, {"SLURM_TMPDIR": str(scratch)}).location)
    run.remove()
    elsewhere = scratch / "elsewhere"
    elsewhere.mkdir()
    run.folder.parent.symlink_to(elsewhere)
    with pytest.raises(InvalidInputError, match="or is a link"):
        run.refresh({"web.yml": b""})
    assert list(elsewhere.iterdir()) == []
