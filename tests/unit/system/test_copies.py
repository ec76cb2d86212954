"""Copies of files and folders, on disk on return."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitord.system import copies
from monitord.system.copies import copy_synced, copy_tree_synced


def test_a_folder_is_copied_whole_for_its_owner_alone(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "chunks").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / "index").write_bytes(b"i" * 100_000)
    (source / "chunks" / "000001").write_bytes(b"c")
    (source / "index").chmod(0o644)

    assert copy_tree_synced(source, tmp_path / "copy") == 100_001

    copy = tmp_path / "copy"
    assert (copy / "index").read_bytes() == b"i" * 100_000
    assert (copy / "chunks" / "000001").read_bytes() == b"c"
    assert (copy / "empty").is_dir()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (copy, *copy.rglob("*"))}
    assert modes == {"copy": 0o700, "chunks": 0o700, "empty": 0o700, "index": 0o600, "000001": 0o600}


def test_every_file_and_folder_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "deep" / "file").write_bytes(b"x")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink().name))
    monkeypatch.setattr(copies, "sync_folder", lambda folder: synced.append(folder.name))
    copy_tree_synced(tmp_path / "source", tmp_path / "copy")
    assert synced == ["file", "deep", "copy"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    with pytest.raises(FileExistsError):
        copy_synced(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"b"
