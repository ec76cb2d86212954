"""Private folders, also where everybody may write."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitord.errors import InvalidInputError
from monitord.system.scratch import file_system_of, make_folder

SOMEBODY = 12345


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def wanted(scratch: Path) -> Path:
    return scratch / "monitord-1" / "bench01-0a1b2c3d" / "data"


def test_every_step_in_scratch_is_the_users_alone_whatever_the_umask(scratch: Path, wanted: Path) -> None:
    before = os.umask(0)
    try:
        make_folder(wanted, scratch)
    finally:
        os.umask(before)
    for folder in (wanted, wanted.parent, wanted.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o1777


def test_so_is_every_step_that_was_missing_elsewhere(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_folder(tmp_path / "a" / "b" / "data")
    finally:
        os.umask(before)
    for folder in ("a", "a/b", "a/b/data"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_a_folder_of_an_earlier_run_is_kept_with_what_it_holds(scratch: Path, wanted: Path) -> None:
    make_folder(wanted, scratch)
    (wanted / "block").touch()
    make_folder(wanted, scratch)
    assert (wanted / "block").exists()


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_link_in_the_way_is_refused_and_nothing_made_behind_it(
    scratch: Path, wanted: Path, tmp_path: Path, step: int
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    trap = (wanted, *wanted.parents)[2 - step]
    if step:
        make_folder(trap.parent, scratch)
    trap.symlink_to(elsewhere)
    with pytest.raises(InvalidInputError, match=f"{trap.name} is not a folder, or is a link"):
        make_folder(wanted, scratch)
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_the_way_is_refused(scratch: Path, wanted: Path) -> None:
    (scratch / "monitord-1").touch()
    with pytest.raises(InvalidInputError, match="is not a folder"):
        make_folder(wanted, scratch)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_refused(scratch: Path, wanted: Path) -> None:
    make_folder(wanted, scratch)
    os.chown(wanted.parent, SOMEBODY, SOMEBODY)
    with pytest.raises(InvalidInputError, match=f"belongs to another user \\(uid {SOMEBODY}\\)"):
        make_folder(wanted, scratch)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755])
def test_a_folder_that_was_opened_to_others_is_refused(scratch: Path, wanted: Path, mode: int) -> None:
    make_folder(wanted, scratch)
    wanted.parent.chmod(mode)
    with pytest.raises(InvalidInputError, match="open to others"):
        make_folder(wanted, scratch)


def test_scratch_that_is_not_sticky_is_refused(scratch: Path, wanted: Path) -> None:
    scratch.chmod(0o777)
    with pytest.raises(InvalidInputError, match="not sticky"):
        make_folder(wanted, scratch)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("mode", [0o700, 0o2770, 0o1777])
def test_a_jobs_own_scratch_will_do(scratch: Path, wanted: Path, mode: int) -> None:
    scratch.chmod(mode)
    make_folder(wanted, scratch)
    make_folder(wanted, scratch)


def test_scratch_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be created: No such file"):
        make_folder(tmp_path / "gone" / "data", tmp_path / "gone")


def test_a_folder_the_user_named_may_be_a_link_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    make_folder(tmp_path / "link")
    make_folder(tmp_path / "link" / "a" / "b")
    assert stat.S_IMODE((tmp_path / "disk").stat().st_mode) == 0o755
    assert (tmp_path / "disk" / "a" / "b").is_dir()


def test_the_file_system_is_that_of_the_nearest_folder_that_is_there() -> None:
    assert file_system_of(Path("/proc/x/y")) == "proc"
    assert file_system_of(Path("/proc/self/fd/..")) == "proc"
