"""The data folder: trials to write, and data moved aside, never deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitord.errors import PrometheusError
from monitord.prometheus.data.storage import KEPT, Storage


def test_a_folder_that_takes_writes_is_made_and_left_clean(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "a" / "data")
    assert storage.try_writing() == ""
    assert list(storage.folder.iterdir()) == []
    assert storage.folder.stat().st_mode & 0o777 == 0o700


def test_a_trial_that_fails_says_where_and_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(122, os.strerror(122))

    monkeypatch.setattr(os, "fsync", fail)
    assert Storage(tmp_path).try_writing() == f"{tmp_path} cannot be written: Disk quota exceeded"
    assert list(tmp_path.iterdir()) == []


def test_so_are_the_folders_on_the_way_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert Storage(tmp_path / "a" / "b" / "data").try_writing() == ""
    finally:
        os.umask(before)
    modes = {folder.stat().st_mode & 0o777 for folder in (tmp_path / "a").rglob("*")}
    assert {*modes, (tmp_path / "a").stat().st_mode & 0o777} == {0o700}


def test_a_link_in_the_place_of_the_trial_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    data = tmp_path / "data"
    data.mkdir()
    (data / ".monitord-trial").symlink_to(victim)
    assert Storage(data).try_writing() == ""
    assert victim.read_text() == "precious"


def test_a_path_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert "cannot be written: File exists" in Storage(tmp_path / "data").try_writing()


def test_data_are_moved_beside_under_their_date_and_kept(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "data")
    for number in range(KEPT):
        assert storage.may_set_aside()
        storage.folder.mkdir(exist_ok=True)
        (storage.folder / f"{number}").write_text("kept")
        aside = storage.set_aside(1_790_000_000.0 + number)
        assert aside.name.startswith("data.refused-20260921T")
        assert [path.name for path in aside.iterdir()] == [f"{number}"]
        assert list(storage.folder.iterdir()) == []
    assert not storage.may_set_aside()
    assert len(storage.set_asides()) == KEPT


def test_data_that_cannot_be_moved_stay_and_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        PrometheusError, match=r"cannot be moved aside .No such file or directory.: move it by"
    ):
        Storage(tmp_path / "none").set_aside(0.0)
