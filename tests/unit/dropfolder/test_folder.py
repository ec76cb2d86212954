"""The drop folder, with all that people and file systems do to it; time is handed in."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitord.documents.limits import MAX_BYTES
from monitord.dropfolder import files, scan
from monitord.dropfolder import folder as dropfolder
from monitord.dropfolder.files import DroppedFile, read_file
from monitord.dropfolder.folder import DropFolder, Look
from monitord.targets.file_names import is_target_file

WALL = 1_700_000_000.0
TEXT = b"client: c1\nservices:\n  - name: triton\n    endpoint: http://h:8000/\nlabels: {run: x}\n"


class Watched:
    """A drop folder under a clock of its own; every file in it was written just now."""

    def __init__(self, folder: Path, *, empty_is_content: bool = False) -> None:
        self.folder = folder
        self.drop = DropFolder(folder, is_target_file, empty_is_content)
        self.now = 50.0

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        self.stamp(path)
        return path

    def stamp(self, path: Path, age: float = 0.0) -> None:
        nanoseconds = int((WALL + self.now - age) * 1e9)
        os.utime(path, ns=(nanoseconds, nanoseconds))

    def look(self, after: float = 0.0) -> Look:
        self.now += after
        look = self.drop.look(self.now, WALL + self.now)
        self.drop.seen()
        return look

    def settle(self) -> list[DroppedFile]:
        """Look as often as the folder asks for it; return all that was handed on."""
        handed_on: list[DroppedFile] = []
        for _ in range(20):
            look = self.look()
            handed_on += look.changed
            if look.look_again is None:
                break
            self.now += look.look_again
        return handed_on


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def names(look: Look) -> list[str]:
    return [file.name for file in look.changed]


# --- what is handed on, and when


def test_a_file_tells_who_may_have_written_it(watched: Watched) -> None:
    path = watched.write("a.yaml", TEXT)
    path.chmod(0o664)
    [file] = watched.settle()
    assert (file.uid, file.mode) == (os.geteuid(), 0o664)


def test_a_file_is_handed_on_again_when_it_is_asked_for(watched: Watched) -> None:
    watched.write("a.yaml", TEXT)
    watched.write("b.yaml", TEXT)
    watched.settle()
    watched.drop.read_again("a.yaml")
    watched.drop.read_again("nowhere.yaml")
    assert [file.name for file in watched.settle()] == ["a.yaml"]
    assert watched.settle() == []


def test_a_finished_file_is_handed_on_once_it_is_quiet_and_only_once(watched: Watched) -> None:
    path = watched.write("a.yaml", TEXT)
    first = watched.look()
    assert (first.changed, set(first.unsettled)) == ((), {"a.yaml"})
    assert first.look_again is not None
    [file] = watched.look(after=first.look_again).changed
    assert (file.content, file.problem) == (TEXT, "")
    assert file.modified_ns == path.stat().st_mtime_ns
    assert watched.look(after=1000.0) == Look()


def test_an_old_file_is_handed_on_at_once(watched: Watched) -> None:
    watched.stamp(watched.write("a.yaml", TEXT), age=60.0)
    assert names(watched.look()) == ["a.yaml"]


def test_a_file_without_a_last_newline_gets_the_benefit_of_the_doubt(watched: Watched) -> None:
    watched.write("a.yaml", TEXT[:-1])
    watched.look()
    assert watched.look(after=0.9).changed == ()
    assert names(watched.look(after=0.2)) == ["a.yaml"]


def test_no_prefix_is_handed_on_while_the_file_is_being_written(watched: Watched) -> None:
    watched.write("a.yaml", b"")
    for end in range(len(TEXT) + 1):
        watched.write("a.yaml", TEXT[:end])
        assert watched.look(after=0.02).changed == ()
    assert [file.content for file in watched.settle()] == [TEXT]


@pytest.mark.parametrize("end", range(len(TEXT)))
def test_a_slow_writer_is_waited_for_at_every_byte(watched: Watched, end: int) -> None:
    """A writer that pauses between two bytes of a line has a second; one between lines the less."""
    watched.write("a.yaml", TEXT[:end])
    watched.look()
    finished_line = TEXT[:end].endswith(b"\n")
    assert watched.look(after=0.02 if finished_line else 0.95).changed == ()
    watched.write("a.yaml", TEXT)
    assert [file.content for file in watched.settle()] == [TEXT]


def test_an_old_version_is_replaced_only_by_a_whole_one(watched: Watched) -> None:
    watched.write("a.yaml", TEXT)
    watched.settle()
    watched.write("a.yaml", TEXT[:30])
    assert watched.look(after=0.5).changed == ()
    watched.write("a.yaml", TEXT + b"lease: 1m\n")
    assert [file.content for file in watched.settle()] == [TEXT + b"lease: 1m\n"]


def test_an_empty_file_is_a_write_that_has_only_begun(watched: Watched) -> None:
    watched.write("a.yaml", b"")
    assert watched.look().changed == ()
    assert watched.look(after=0.9).changed == ()
    [file] = watched.look(after=0.2).changed
    assert file.content == b""


def test_an_empty_marker_is_content(tmp_path: Path) -> None:
    watched = Watched(tmp_path, empty_is_content=True)
    watched.stamp(watched.write("a.yaml", b""), age=60.0)
    assert names(watched.look()) == ["a.yaml"]


@pytest.mark.parametrize("how", ["touch", "same size", "rename over", "copy preserving times"])
def test_every_kind_of_change_is_noticed(watched: Watched, how: str) -> None:
    path = watched.write("a.yaml", TEXT)
    watched.settle()
    before = path.stat()
    watched.now += 30.0
    match how:
        case "touch":
            watched.stamp(path)
        case "same size":
            watched.write("a.yaml", TEXT.replace(b"c1", b"c2"))
        case "rename over":
            watched.write("new.tmp", TEXT.replace(b"c1", b"c2")).replace(path)
        case _:
            path.write_bytes(TEXT.replace(b"c1", b"c2"))
            os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert [file.name for file in watched.settle()] == ["a.yaml"]


def test_ignored_names_are_not_even_opened(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".a.yaml", "a.yaml~", "a.yaml.tmp", ".a.yaml.swp", "a.txt"):
        watched.write(name, TEXT)
    monkeypatch.setattr(dropfolder, "read_file", lambda *_: pytest.fail("opened"))
    assert watched.look() == Look()


def test_names_may_hold_anything(watched: Watched) -> None:
    for raw in (b"a\nb.yaml", b"\xff\xfe.yaml", b"\x1b[31m.yaml", "ü 😀.yaml".encode(), b"-rf.yaml"):
        watched.write(os.fsdecode(raw), TEXT)
    assert {os.fsencode(file.name) for file in watched.settle()} == {
        b"a\nb.yaml", b"\xff\xfe.yaml", b"\x1b[31m.yaml", "ü 😀.yaml".encode(), b"-rf.yaml",
    }  # fmt: skip


# --- what is not a plain file


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def symlink(path: Path) -> None:
    target = path.with_name("target.txt")
    target.write_bytes(TEXT)
    path.symlink_to(target)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (fifo, "a FIFO, socket or device"),
        (unix_socket, "a FIFO, socket or device"),
        (symlink, "a symbolic link"),
        (dangling, "a symbolic link"),
        (Path.mkdir, "a folder"),
    ],
)
def test_only_plain_files_are_read(watched: Watched, make: Callable[[Path], None], what: str) -> None:
    make(watched.folder / "a.yaml")
    [file] = watched.settle()
    assert (file.problem, file.content) == (f"the file is {what}; only regular files are read", b"")


@pytest.mark.parametrize("make", [fifo, symlink])
def test_what_became_something_else_before_it_was_opened_is_not_read(
    watched: Watched, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = watched.write("a.yaml", TEXT)
    plain = path.lstat()
    path.unlink()
    make(path)
    monkeypatch.setattr(Path, "lstat", lambda _: plain)
    with pytest.raises(OSError, match=r"FIFO|symbolic"):
        read_file(watched.folder, "a.yaml")


def test_a_file_that_is_too_long_is_not_read(watched: Watched) -> None:
    watched.write("a.yaml", b"#" * (MAX_BYTES + 10))
    watched.write("b.yaml", b"#" * MAX_BYTES)
    files = {file.name: file for file in watched.settle()}
    assert files["a.yaml"].problem == f"the file has {MAX_BYTES + 10} bytes; at most {MAX_BYTES} are allowed"
    assert (files["b.yaml"].problem, len(files["b.yaml"].content)) == ("", MAX_BYTES)


def test_a_file_that_the_daemon_may_not_read_is_told_of(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = watched.write("a.yaml", TEXT)
    with monkeypatch.context() as patched:
        patched.setattr("os.open", denied)
        [file] = watched.settle()
    assert file.problem.startswith("the daemon cannot read the file: Permission denied; make it readable")
    path.chmod(0o644 if path.stat().st_mode & 0o777 != 0o644 else 0o640)
    assert [file.content for file in watched.settle()] == [TEXT]


def test_a_file_replaced_while_it_is_read_is_read_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = watched.write("a.yaml", TEXT)
    watched.stamp(path, age=60.0)
    real, other = os.fstat, watched.write("other.tmp", b"x").stat()
    answers = iter([None, other])

    def fstat(descriptor: int) -> os.stat_result:
        return next(answers, None) or real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr("os.fstat", fstat)
        look = watched.look()
    assert (look.changed, set(look.unsettled)) == ((), {"a.yaml"})
    assert [file.content for file in watched.settle()] == [TEXT]


def test_what_cannot_be_read_for_a_moment_is_tried_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError(5, "Input/output error")

    watched.write("a.yaml", TEXT)
    with monkeypatch.context() as patched:
        patched.setattr("os.open", broken)
        for _ in range(5):
            look = watched.look(after=1.0)
            assert (look.changed, look.gone, set(look.unsettled)) == ((), (), {"a.yaml"})
            assert look.look_again is not None
    assert [file.content for file in watched.settle()] == [TEXT]


# --- deletion


def test_a_deletion_is_believed_at_the_second_look(watched: Watched) -> None:
    path = watched.write("a.yaml", TEXT)
    watched.settle()
    path.unlink()
    first = watched.look(after=10.0)
    assert first.gone == ()
    assert first.look_again is not None
    assert watched.look(after=first.look_again).gone == ("a.yaml",)
    assert watched.look(after=10.0) == Look()


def test_a_file_missing_from_one_listing_only_was_never_gone(watched: Watched) -> None:
    path = watched.write("a.yaml", TEXT)
    watched.settle()
    aside = path.rename(watched.folder / "aside")
    watched.look(after=1.0)
    aside.rename(path)
    assert [file.name for file in watched.settle()] in ([], ["a.yaml"])
    aside = path.rename(watched.folder / "aside")
    assert watched.look(after=1.0).gone == ()  # the earlier absence does not count


@pytest.mark.parametrize("kind", ["removed", "a file", "unlistable"])
def test_a_folder_that_went_away_says_nothing(
    watched: Watched, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.write("a.yaml", TEXT)
    watched.settle()
    elsewhere = watched.folder.rename(watched.folder.with_name("elsewhere"))
    if kind == "a file":
        watched.folder.write_bytes(b"")
    elif kind == "unlistable":
        elsewhere.rename(watched.folder)
        monkeypatch.setattr("os.scandir", lambda _: (_ for _ in ()).throw(OSError(5, "I/O error")))
    for _ in range(4):
        look = watched.look(after=5.0)
        assert look.failure.startswith(f"cannot list {watched.folder}: ")
        assert (look.changed, look.gone) == ((), ())
    monkeypatch.undo()
    if kind != "unlistable":
        watched.folder.unlink(missing_ok=True)
        elsewhere.rename(watched.folder)
    assert watched.look(after=5.0) == Look()


def test_a_name_that_cannot_be_looked_at_is_there_all_the_same(tmp_path: Path) -> None:
    class Entry:
        name = "a.yaml"

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            raise OSError(116, "Stale file handle")

    class Listing:
        def __enter__(self) -> list[Entry]:
            return [Entry()]

        def __exit__(self, *_: object) -> None: ...

    watched = Watched(tmp_path)
    watched.write("a.yaml", TEXT)
    watched.settle()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.scandir", lambda _: Listing())
        for _ in range(4):
            assert watched.look(after=1.0) == Look()


def test_what_was_deleted_while_nobody_looked_is_noticed(watched: Watched) -> None:
    watched.drop.expect("a.yaml")
    watched.drop.expect("b.yaml")
    watched.write("b.yaml", TEXT)
    assert [file.name for file in watched.settle()] == ["b.yaml"]
    watched.drop.expect("c.yaml")
    watched.look(after=1.0)
    assert watched.look(after=1.0).gone == ("c.yaml",)


def test_a_device_is_not_opened() -> None:
    _, file = read_file(Path("/dev"), "zero")
    assert file.problem == "the file is a FIFO, socket or device; only regular files are read"


# --- kind to the metadata server


@dataclass
class Calls:
    """How often the folder was listed, and how often something was asked of it by name."""

    listings: int = 0
    stats: int = 0


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    counted = Calls()
    scandir, path_stat = os.scandir, Path.stat

    def count_listing(folder: Path) -> Any:
        counted.listings += 1
        return scandir(folder)

    def count_stat(path: Path, **more: Any) -> os.stat_result:
        counted.stats += 1
        return path_stat(path, **more)

    monkeypatch.setattr(os, "scandir", count_listing)
    monkeypatch.setattr(Path, "stat", count_stat)  # lstat calls it as well
    return counted


@pytest.mark.parametrize("files", [1, 300])
def test_a_look_at_nothing_new_is_one_stat_however_many_files_there_are(
    watched: Watched, calls: Calls, files: int
) -> None:
    for number in range(files):
        watched.stamp(watched.write(f"c{number}.yaml", TEXT), age=60.0)
    watched.settle()
    watched.look(after=scan.TICK_SECONDS + 0.1)
    calls.listings = calls.stats = 0
    for _ in range(5):
        assert watched.look(after=2.0) == Look()
    assert (calls.listings, calls.stats) == (0, 5)


def test_a_second_change_in_the_same_tick_is_seen(watched: Watched) -> None:
    watched.stamp(watched.write("a.yaml", TEXT), age=60.0)
    assert names(watched.look()) == ["a.yaml"]
    stamp = watched.folder.stat()
    watched.stamp(watched.write("b.yaml", TEXT), age=60.0)
    os.utime(watched.folder, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    watched.drop._scan._stamp = files.signature_of(watched.folder.stat())  # as with a coarse clock
    assert names(watched.look(after=0.5)) == ["b.yaml"]


def test_a_file_written_in_place_is_seen_by_the_full_scan_or_when_suspected(watched: Watched) -> None:
    path = watched.write("a.yaml", TEXT)
    watched.settle()
    watched.look(after=scan.TICK_SECONDS + 0.1)
    path.write_bytes(TEXT + b"# 1\n")
    watched.stamp(path, age=60.0)
    assert watched.look(after=1.0) == Look(), "the folder's own times know nothing of it"
    watched.drop.suspect()
    assert names(watched.look()) == ["a.yaml"]
    path.write_bytes(TEXT + b"# 22\n")
    watched.stamp(path, age=60.0)
    assert names(watched.look(after=30.0)) == ["a.yaml"]


def test_what_is_unsettled_is_looked_at_alone(watched: Watched, calls: Calls) -> None:
    for number in range(50):
        watched.stamp(watched.write(f"c{number}.yaml", TEXT), age=60.0)
    watched.settle()
    watched.look(after=scan.TICK_SECONDS + 0.1)
    watched.write("c7.yaml", TEXT[:40])
    watched.drop.suspect()
    assert watched.look().unsettled == {"c7.yaml"}
    watched.now += 1.0
    calls.listings = calls.stats = 0
    assert names(watched.look()) == ["c7.yaml"]
    assert calls.listings == 0
    assert calls.stats <= 3


def test_a_folder_replaced_while_a_deletion_is_looked_at_withdraws_nothing(watched: Watched) -> None:
    path = watched.write("a.yaml", TEXT)
    watched.settle()
    watched.look(after=scan.TICK_SECONDS + 0.1)
    path.unlink()
    assert watched.look().look_again is not None
    watched.drop._scan._listed = watched.now
    watched.drop._scan._stamp_changed = watched.now - 60
    away = watched.folder.rename(watched.folder.with_name("away"))
    assert "cannot list" in watched.look(after=1.0).failure
    away.rename(watched.folder)
    path.write_bytes(TEXT)
    assert watched.look(after=1.0).gone == ()


def test_a_file_system_that_went_away_below_the_folder_withdraws_nothing(watched: Watched) -> None:
    path = watched.write("a.yaml", TEXT)
    watched.settle()
    path.unlink()
    watched.drop._scan._trusted_device = -1  # as after umount: what is seen now lies on another one
    for _ in range(3):
        assert watched.look(after=31.0).gone == ()
    watched.write("b.yaml", TEXT)
    assert [file.name for file in watched.settle()] == ["b.yaml"], "what is dropped meanwhile counts"
    watched.write("a.yaml", TEXT)
    watched.settle()
    path.unlink()
    watched.look(after=31.0)
    assert watched.look(after=1.0).gone == ("a.yaml",)


def test_between_polls_only_what_an_event_named_is_looked_at(tmp_path: Path, calls: Calls) -> None:
    watched = Watched(tmp_path)
    watched.drop.poll_interval = 2.0
    for number in range(50):
        watched.stamp(watched.write(f"c{number}.yaml", TEXT), age=60.0)
    watched.settle()
    watched.look(after=5.0)
    watched.look(after=5.0)
    calls.listings = calls.stats = 0
    assert watched.look(after=0.5) == Look()
    assert (calls.listings, calls.stats) == (0, 0)
    for name in ("c7.yaml", "new.yaml"):
        watched.stamp(watched.write(name, TEXT + b"# 2\n"), age=60.0)
        watched.drop.suspect(name)
    watched.drop.suspect("ignored.txt")
    assert set(names(watched.look(after=0.1))) == {"c7.yaml", "new.yaml"}
    assert calls.listings == 0
    (tmp_path / "c8.yaml").unlink()
    watched.drop.suspect("c8.yaml")
    assert watched.look().gone == ()
    assert watched.look(after=0.2).gone == ("c8.yaml",)
    assert calls.listings == 0


def test_an_event_that_was_lost_costs_time_and_nothing_else(watched: Watched) -> None:
    watched.drop.poll_interval = 2.0
    watched.look()
    watched.stamp(watched.write("a.yaml", TEXT), age=60.0)
    assert watched.look(after=0.5) == Look()
    assert names(watched.look(after=2.0)) == ["a.yaml"]


def test_a_flood_of_events_is_one_listing(watched: Watched) -> None:
    watched.drop.poll_interval = 3600.0
    watched.look()
    watched.stamp(watched.write("a.yaml", TEXT), age=60.0)
    for number in range(scan.MANY_SUSPECTS + 1):
        watched.drop.suspect(f"x{number}.yaml")
    assert names(watched.look()) == ["a.yaml"]
