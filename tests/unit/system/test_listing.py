"""A folder that cannot be listed is an error, wherever something is decided by what it holds."""

from __future__ import annotations

import ast
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import monitord
from monitord.artifacts import store
from monitord.daemon.window_statuses import WindowStatuses
from monitord.file_sd.shards import Shards
from monitord.prometheus.data.data_folders import measure
from monitord.prometheus.data.restore import holds_data
from monitord.prometheus.data.snapshot_store import blocks_in, complete_snapshots
from monitord.prometheus.data.storage import Storage
from monitord.recipes.load import load_recipes
from monitord.system.atomic import remove_leftovers
from monitord.system.listing import files_below, names_in, paths_in
from tests.fakes.clock import FakeClock
from tests.fakes.guard import held_session

BLOCK = "01M86F82PG3361JH6SAJSEDSW9"
HINTS = {"session/folder.py"}
"""Where a listing only helps whoever mistyped a name."""


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Have the listing of one folder fail, as a file system does that lost a disk for a moment."""

    def failing_at(folder: Path) -> None:
        for name in ("scandir", "listdir"):
            monkeypatch.setattr(os, name, failing(getattr(os, name), folder))

    def failing(real: Callable[..., Any], folder: Path) -> Callable[..., Any]:
        def call(path: Any = ".") -> Any:
            if Path(path) == folder:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return real(path)

        return call

    return failing_at


def test_names_are_sorted_and_chosen_by_how_they_begin_and_end(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", ".tmp-a.json", "c.yaml"):
        (tmp_path / name).touch()
    assert names_in(tmp_path) == [".tmp-a.json", "a.json", "b.json", "c.yaml"]
    assert paths_in(tmp_path, ".tmp-") == [tmp_path / ".tmp-a.json"]
    assert [path.name for path in paths_in(tmp_path, suffix=(".json", ".yaml"))] == names_in(tmp_path)


def test_a_missing_folder_is_empty_only_with_missing_ok(tmp_path: Path) -> None:
    assert paths_in(tmp_path / "none", missing_ok=True) == []
    assert list(files_below(tmp_path / "none", missing_ok=True)) == []
    for listing in (names_in, paths_in, lambda folder: list(files_below(folder))):
        with pytest.raises(FileNotFoundError):
            listing(tmp_path / "none")


def test_no_link_is_followed_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "file").touch()
    (tmp_path / "a" / "link").symlink_to("/etc")
    assert list(files_below(tmp_path / "a")) == [tmp_path / "a" / "deep" / "file", tmp_path / "a" / "link"]


DECIDES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "names": ("", names_in),
    "files": ("deep", lambda root: list(files_below(root))),
    "leftovers": ("", remove_leftovers),
    "half-built artifacts": ("", store.clean),
    "file_sd": ("", lambda root: Shards(root, 1.0, root)),
    "what was set aside": ("", lambda root: Storage(root / "data").may_set_aside()),
    "data": ("", holds_data),
    "data in the log": ("wal", holds_data),
    "blocks": ("", blocks_in),
    "snapshots": ("", complete_snapshots),
    "a snapshot's block": (f"snapshots/s1/{BLOCK}", lambda root: complete_snapshots(root / "snapshots")),
    "the size of data": ("wal", measure),
    "a session's recipes": ("", load_recipes),
}


@pytest.mark.parametrize("decides", DECIDES)
def test_what_cannot_be_listed_is_an_error(
    tmp_path: Path, fail_at: Callable[[Path], None], decides: str
) -> None:
    for folder in ("deep", "wal", f"snapshots/s1/{BLOCK}"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "snapshots" / "s1" / "snapshot.json").write_text("{}")
    failing, decide = DECIDES[decides]
    fail_at(tmp_path / failing)
    with pytest.raises(OSError, match="Input/output error"):
        decide(tmp_path)


def test_a_session_whose_statuses_cannot_be_listed_is_none_without_windows(
    tmp_path: Path, fail_at: Callable[[Path], None]
) -> None:
    session = held_session(tmp_path)
    session.create(b"session: s\n")
    fail_at(session.window_statuses)
    with pytest.raises(OSError, match="Input/output error"):
        WindowStatuses(session, FakeClock(), 60.0).restore()


def test_nothing_lists_a_folder_in_a_way_that_takes_an_error_for_an_empty_one() -> None:
    package = Path(monitord.__file__).parent
    found = {
        f"{file.relative_to(package)}:{node.lineno}"
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and passes_over_errors(node)
        if str(file.relative_to(package)) not in HINTS
    }
    assert found == set(), "use monitord.system.listing"


def passes_over_errors(call: ast.Call) -> bool:
    """Say whether a call is one of `glob`, of `rglob`, or of `os.walk` without an `onerror`."""
    assert isinstance(call.func, ast.Attribute)
    is_walk = (
        call.func.attr == "walk" and isinstance(call.func.value, ast.Name) and call.func.value.id == "os"
    )
    return call.func.attr in {"glob", "rglob"} or (
        is_walk and "onerror" not in {keyword.arg for keyword in call.keywords}
    )
