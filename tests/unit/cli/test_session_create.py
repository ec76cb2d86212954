"""A session's root: what is wrong with one that was there already is said."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from monitord.cli import execute


@pytest.fixture
def group() -> str:
    return grp.getgrgid(os.getgid()).gr_name


def warnings(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    assert execute(["session-create", "--run-id", "bench01", "--root", str(root), *more]) == 0
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize(("mode", "expected"), [(0o777, 1), (0o1777, 0), (0o2770, 0), (0o700, 0)])
def test_a_root_in_which_anybody_could_replace_the_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: int, expected: int
) -> None:
    root = tmp_path / "ro ot"
    root.mkdir()
    root.chmod(mode)
    told = warnings(root, capsys)
    assert len(told) == expected
    assert all(line.endswith(f"run: chmod +t '{root}'") for line in told)


def test_a_root_that_the_group_does_not_get_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], group: str
) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    told = warnings(root, capsys, "--group", group)
    how = f"allow it, for example with: chmod o+x {root}"
    assert f"warning: the group {group} has no access to {root}; {how}" in told


def test_nothing_is_said_of_a_root_that_was_made_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], group: str
) -> None:
    closed = warnings(tmp_path / "new", capsys, "--group", group)
    assert not any(str(tmp_path / "new") in line for line in closed)
    assert warnings(tmp_path / "other", capsys) == []
