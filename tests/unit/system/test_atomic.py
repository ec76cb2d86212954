"""Publishing: whole or not at all, and only on change."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.system.atomic import (
    publish,
    publish_confirmed,
    read_if_exists,
    read_json,
    read_plain,
    remove_leftovers,
    temporary_beside,
    to_json,
    write_synced,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_publishes_content_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    assert publish(file, b"one") is True
    assert file.read_bytes() == b"one"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["a.json"]


def test_the_mode_asked_for_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        publish(tmp_path / "a.json", b"one", mode=0o640)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


def test_unchanged_content_leaves_the_file_untouched(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    publish(file, b"one")
    os.utime(file, ns=(1, 1))
    before = file.stat()
    assert publish(file, b"one") is False
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, 1)
    assert publish(file, b"two") is True
    assert file.stat().st_ino != before.st_ino


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    file = tmp_path / "a.json"
    publish(file, b"old")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match=os.strerror(code)):
            publish(file, b"new")
    assert file.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.json"]


def test_a_failed_rename_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()  # no file can be renamed onto a folder
    with pytest.raises(OSError, match=r"a\.json"):
        publish(tmp_path / "a.json", b"new")
    assert names_in(tmp_path) == ["a.json"]


def test_a_reader_never_sees_half(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    versions = [bytes([65 + n]) * 200_000 for n in range(4)]
    publish(file, versions[0])
    done = threading.Event()

    def write() -> None:
        for n in range(40):
            publish(file, versions[n % 4])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert file.read_bytes() in versions
    writer.join()


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    file = tmp_path / "elsewhere"
    file.write_bytes(b"precious")
    return file


def test_a_link_that_others_laid_where_a_file_is_made_is_not_followed(tmp_path: Path, victim: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    planted = folder / f".tmp-run.start.{os.getpid()}"
    planted.symlink_to(victim)
    assert publish(folder / "run.start", b"new")
    assert victim.read_bytes() == b"precious"
    assert stat.S_IMODE(victim.stat().st_mode) != 0o600
    assert names_in(folder) == [planted.name, "run.start"]


def test_not_even_a_link_whose_name_was_guessed(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    temporary_beside(tmp_path / "run.start").symlink_to(victim)
    with pytest.raises(FileExistsError):
        publish(tmp_path / "run.start", b"new")
    assert victim.read_bytes() == b"precious"


def test_temporary_names_differ_and_are_found_again(tmp_path: Path) -> None:
    names = {temporary_beside(tmp_path / "a.json") for _ in range(100)}
    assert len(names) == 100
    for name in names:
        write_synced(name, b"half")
    remove_leftovers(tmp_path)
    assert names_in(tmp_path) == []


def test_what_is_no_plain_file_is_replaced_and_neither_followed_nor_waited_for(
    tmp_path: Path, victim: Path
) -> None:
    (tmp_path / "link").symlink_to(victim)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        assert publish(tmp_path / name, b"precious")
        assert stat.S_ISREG((tmp_path / name).lstat().st_mode)
    assert read_plain(tmp_path / "pipe", 4) == b"prec"
    assert read_plain(tmp_path) is None  # nor is a folder one


def test_a_rewritten_file_has_the_time_of_now(tmp_path: Path) -> None:
    file = tmp_path / "run.start"
    publish(file, b"")
    os.utime(file, ns=(1, 1))
    assert publish(file, b"", rewrite=True)
    assert file.stat().st_mtime_ns > 1


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    assert read_if_exists(tmp_path / "a.json") is None
    assert read_json(tmp_path / "a.json") is None
    (tmp_path / "a.json").write_bytes(b'{"half":')
    assert read_json(tmp_path / "a.json") is None
    (tmp_path / "a.json").write_bytes(b"\xff")
    assert read_json(tmp_path / "a.json") is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_json_is_read_back_as_it_was(value: object) -> None:
    content = to_json(value)
    assert content.endswith(b"\n")
    assert json.loads(content) == value


def test_json_carries_file_names_with_stray_bytes() -> None:
    name = os.fsdecode(b"bad-\xff.yaml")
    assert json.loads(to_json({"file": name})) == {"file": name}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_never_holds_a_bare_nan(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"value": value})


def test_what_is_refused_at_the_last_moment_is_not_seen(tmp_path: Path) -> None:
    def refuse() -> None:
        raise PermissionError("another daemon has the session")

    path = tmp_path / "status.json"
    path.write_bytes(b"old")
    with pytest.raises(PermissionError, match="another daemon"):
        publish_confirmed(path, b"new", 0o600, refuse)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
