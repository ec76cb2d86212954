"""What wakes the daemon early, and where nothing can."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import pytest
from watchdog.events import (
    DirModifiedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileOpenedEvent,
    FileSystemEvent,
)

from monitord.dropfolder import watch as module
from monitord.dropfolder.watch import Inotify, Polling, _Wake, watch
from tests.conftest import wait_until


def no_wake(_folder: str, _file: str) -> None:
    """Ignore what happens."""


def mounted(kind: str) -> str:
    return f"x / {kind} rw 0 0\n"


@pytest.mark.parametrize("kind", ["lustre", "nfs4", "fuse.bindfs", "gpfs", "neverheardof"])
def test_where_events_of_other_nodes_are_not_seen_it_polls(tmp_path: Path, kind: str) -> None:
    started, reason = watch({tmp_path: "targets"}, "auto", no_wake, mounted(kind))
    assert isinstance(started, Polling)
    assert kind in reason
    started.stop()


def test_poll_is_poll(tmp_path: Path) -> None:
    started, reason = watch({tmp_path: "targets"}, "poll", no_wake, mounted("ext4"))
    assert (started.mode, reason) == ("poll", "set to poll")


@pytest.mark.parametrize("mode", ["auto", "inotify"])
def test_a_write_wakes_by_the_name_of_its_folder(tmp_path: Path, mode: str) -> None:
    woken: queue.Queue[tuple[str, str]] = queue.Queue()
    folders = {tmp_path / name: name for name in ("targets", "windows")}
    for folder in folders:
        folder.mkdir()
    started, _ = watch(folders, mode, lambda folder, file: woken.put((folder, file)), mounted("ext4"))
    try:
        assert started.mode == "inotify"
        (tmp_path / "windows" / "run01.start").touch()
        assert woken.get(timeout=20) == ("windows", "run01.start")
    finally:
        started.stop()


def test_touching_what_is_there_already_wakes(tmp_path: Path) -> None:
    (tmp_path / "run01.stop").touch()
    woken: queue.Queue[str] = queue.Queue()
    started, _ = watch({tmp_path: "windows"}, "inotify", lambda _, file: woken.put(file), "")
    try:
        (tmp_path / "run01.stop").touch()
        assert woken.get(timeout=20) == "run01.stop"
    finally:
        started.stop()


def test_reading_wakes_nobody(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"")
    woken: queue.Queue[tuple[str, str]] = queue.Queue()
    started, _ = watch({tmp_path: "targets"}, "inotify", lambda folder, file: woken.put((folder, file)), "")
    try:
        (tmp_path / "a.yaml").read_bytes()
        list(tmp_path.iterdir())
        (tmp_path / "b.yaml").touch()
        assert woken.get(timeout=20) == ("targets", "b.yaml")
        (tmp_path / "b.yaml").unlink()
    finally:
        started.stop()


def test_no_inotify_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    folders = {tmp_path / "here": "targets", tmp_path / "missing": "windows"}
    started, reason = watch(folders, "inotify", no_wake, "")
    assert started.mode == "poll"
    assert reason.startswith("inotify is not available: ")
    emitters = [thread for thread in threading.enumerate() if "Emitter" in type(thread).__name__]
    wait_until(lambda: not any(thread.is_alive() for thread in emitters), "the other folder's thread to end")


def test_a_kernel_without_a_watch_left_means_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(self: Inotify, *_: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(module.Inotify, "__init__", exhausted)
    started, reason = watch({tmp_path: "targets"}, "auto", no_wake, mounted("ext4"))
    assert (started.mode, "limit reached" in reason) == ("poll", True)


def test_a_folder_that_is_deleted_is_a_watch_lost(tmp_path: Path) -> None:
    folder = tmp_path / "targets"
    folder.mkdir()
    started, _ = watch({folder: "targets"}, "inotify", no_wake, "")
    try:
        (folder / "a.yaml").touch()
        (folder / "a.yaml").unlink()
        assert not started.lost
        folder.rmdir()
        wait_until(lambda: started.lost, "the deletion to be noticed")
    finally:
        started.stop()


def test_only_what_may_be_read_wakes(tmp_path: Path) -> None:
    event: FileSystemEvent
    woken: list[str] = []
    wake = _Wake(woken.append, str(tmp_path), Polling())  # type: ignore[arg-type]
    a, b, hidden = f"{tmp_path}/a", f"{tmp_path}/b", f"{tmp_path}/.a"
    for event in (FileCreatedEvent(hidden), FileDeletedEvent(hidden), FileMovedEvent(hidden, hidden + "2"),
                  FileOpenedEvent(a), DirModifiedEvent(str(tmp_path))):  # fmt: skip
        wake.dispatch(event)
    assert not woken
    for event in (FileCreatedEvent(a), FileMovedEvent(hidden, a), FileMovedEvent(a, hidden),
                  FileModifiedEvent(a), FileClosedEvent(a), FileDeletedEvent(a)):  # fmt: skip
        wake.dispatch(event)
        assert woken.pop() == "a"
    wake.dispatch(FileMovedEvent(a, b))
    assert woken == ["a", "b"]
