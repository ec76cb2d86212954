"""Snapshots kept in the session folder and put back, whatever moment it breaks off at."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitord.errors import PrometheusError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.child.observer import Observer
from monitord.prometheus.child.snapshot_schedule import RESTORE_TRIES, Snapshots
from monitord.prometheus.data import restore as restoring
from monitord.prometheus.data import snapshot_store as module
from monitord.prometheus.data.blocks import Span
from monitord.prometheus.data.restore import Restored, holds_data, restore
from monitord.prometheus.data.snapshot_store import Snapshot, SnapshotError, complete_snapshots, take_snapshot
from monitord.prometheus.data.storage import Storage
from monitord.system import copies
from tests.fakes.clock import FakeClock
from tests.fakes.guard import held_session, unguarded
from tests.fakes.log import events, recording_log

NOW = 1_800_000_000.5
BLOCKS = ("01M86F82PG3361JH6SAJSEDSW0", "01M86F82PG3361JH6SAJSEDSW1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "wal").mkdir(parents=True)
    return folder


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


def write_block(folder: Path, name: str, start: int, end: int) -> None:
    (folder / name / "chunks").mkdir(parents=True)
    (folder / name / "chunks" / "000001").write_bytes(b"c" * 100)
    (folder / name / "index").write_bytes(b"i" * 10)
    (folder / name / "meta.json").write_text(json.dumps({"ulid": name, "minTime": start, "maxTime": end}))


def prometheus(data: Path, end: int = 5001, blocks: tuple[str, ...] = BLOCKS) -> Callable[[], str]:
    """Return what asks a Prometheus that writes these blocks."""

    def ask() -> str:
        for number, block in enumerate(blocks):
            write_block(data / "snapshots" / "20260131T093000Z-x", block, 1000 + number, end + number)
        (data / "snapshots" / "20260131T093000Z-x").mkdir(parents=True, exist_ok=True)
        return "20260131T093000Z-x"

    return ask


def take(data: Path, snapshots: Path, now: float = NOW, end: int = 5001) -> Snapshot:
    taken = take_snapshot(prometheus(data, end), data, snapshots, now, "2.42.0", unguarded)
    assert taken is not None
    return taken


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_snapshot_is_kept_whole_and_the_local_one_removed(data: Path, snapshots: Path) -> None:
    taken = take(data, snapshots)

    assert taken.folder == snapshots / "20270115T080000.500Z"
    assert taken.span == Span(1.0, 5.001)
    assert [block.name for block in taken.blocks] == list(BLOCKS)
    assert json.loads((taken.folder / "snapshot.json").read_bytes()) == {
        "schema": "monitord/snapshot/v1",
        "taken_at": "2027-01-15T08:00:00.500Z",
        "prometheus_version": "2.42.0",
        "from": "1970-01-01T00:00:01.000Z",
        "to": "1970-01-01T00:00:05.001Z",
        "bytes": taken.bytes,
        "blocks": list(BLOCKS),
    }
    assert taken.bytes == sum(len(content) for path, content in tree(taken.folder).items() if "/" in path)
    assert names(data) == ["wal"]
    assert names(snapshots) == [taken.folder.name]
    assert complete_snapshots(snapshots) == [taken]
    assert {stat.S_IMODE(path.stat().st_mode) for path in taken.folder.rglob("*") if path.is_dir()} == {0o700}


def test_where_there_are_no_data_there_is_no_snapshot(data: Path, snapshots: Path) -> None:
    earlier = take(data, snapshots)
    assert take_snapshot(prometheus(data, blocks=()), data, snapshots, NOW + 1, None, unguarded) is None
    assert complete_snapshots(snapshots) == [earlier]
    assert names(data) == ["wal"]


def test_the_two_newest_are_kept(data: Path, snapshots: Path) -> None:
    taken = [take(data, snapshots, NOW + number, 5001 + number) for number in range(4)]
    assert complete_snapshots(snapshots) == [taken[3], taken[2]]
    assert names(snapshots) == [taken[2].folder.name, taken[3].folder.name]


def test_the_newest_is_the_one_with_the_newest_samples_whatever_the_clock_of_the_node_said(
    data: Path, snapshots: Path
) -> None:
    ahead = take(data, snapshots, NOW + 1000, 5001)
    newer = take(data, snapshots, NOW, 9001)
    assert complete_snapshots(snapshots) == [newer, ahead]


@pytest.mark.parametrize("broken", ["copy_synced", "write_synced", "sync_folder"])
def test_a_full_disk_leaves_the_earlier_ones_and_nothing_else(
    data: Path, snapshots: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    earlier = [take(data, snapshots, NOW + number) for number in range(2)]
    monkeypatch.setattr(copies if broken == "copy_synced" else module, broken, full_disk)
    with pytest.raises(SnapshotError, match=f"stored in {snapshots}: No space left on device"):
        take(data, snapshots, NOW + 2)
    assert complete_snapshots(snapshots) == earlier[::-1]
    assert names(snapshots) == [snapshot.folder.name for snapshot in earlier]
    assert names(data) == ["wal"]


def test_what_prometheus_could_not_write_is_removed(data: Path, snapshots: Path) -> None:
    def refuse() -> str:
        (data / "snapshots" / "half").mkdir(parents=True)
        raise PrometheusError("preallocate: no space left on device")

    with pytest.raises(PrometheusError, match="preallocate"):
        take_snapshot(refuse, data, snapshots, NOW, None, unguarded)
    assert names(data) == ["wal"]
    assert not snapshots.exists()


def test_what_a_crash_left_behind_is_removed_by_the_next(data: Path, snapshots: Path) -> None:
    (snapshots / ".tmp-20260131T093000.000Z" / BLOCKS[0]).mkdir(parents=True)
    write_block(data / "snapshots" / "left", BLOCKS[0], 1, 2)
    taken = take(data, snapshots)
    assert names(snapshots) == [taken.folder.name]
    assert names(data) == ["wal"]


def drop(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


def truncate(path: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_bytes(b"")


@pytest.mark.parametrize(
    "damage",
    [
        drop("snapshot.json"), truncate("snapshot.json"), drop(f"{BLOCKS[0]}/index"),
        truncate(f"{BLOCKS[0]}/chunks/000001"), truncate(f"{BLOCKS[0]}/meta.json"),
        lambda folder: shutil.rmtree(folder / BLOCKS[1]),
        lambda folder: (folder / "snapshot.json").write_bytes(b"[]"),
    ],
)  # fmt: skip
def test_a_damaged_snapshot_gives_way_to_the_one_before(
    data: Path, snapshots: Path, damage: Callable[[Path], object]
) -> None:
    whole, damaged = take(data, snapshots, NOW, 5001), take(data, snapshots, NOW + 1, 6001)
    damage(damaged.folder)
    (snapshots / "notes.txt").touch()
    assert complete_snapshots(snapshots) == [whole]
    assert restore(snapshots, data) == Restored(whole.folder.name, whole.span)


def test_the_newest_goes_into_an_empty_folder(data: Path, snapshots: Path) -> None:
    take(data, snapshots, NOW, 5001)
    newest = take(data, snapshots, NOW + 1, 6001)
    (data / "wal" / "00000000").touch()  # as a Prometheus leaves it that found nothing to scrape

    assert restore(snapshots, data) == Restored(newest.folder.name, Span(1.0, 6.001))

    assert names(data) == [*BLOCKS, "wal"]
    for block in BLOCKS:
        assert tree(data / block) == tree(newest.folder / block)
    assert complete_snapshots(snapshots)[0] == newest
    assert restore(snapshots, data) is None


@pytest.mark.parametrize("path", ["wal/00000000", "wal/checkpoint.00000001/00000000", "chunks_head/000001"])
def test_data_that_are_there_are_left_alone(data: Path, snapshots: Path, path: str) -> None:
    take(data, snapshots)
    (data / path).parent.mkdir(parents=True, exist_ok=True)
    (data / path).write_bytes(b"x")
    before = tree(data)
    assert holds_data(data)
    assert restore(snapshots, data) is None
    assert tree(data) == before


def test_a_block_that_is_there_is_left_alone(data: Path, snapshots: Path) -> None:
    take(data, snapshots)
    write_block(data, "01M86F82PG3361JH6SAJSEDSW9", 1, 2)
    assert restore(snapshots, data) is None
    assert names(data) == ["01M86F82PG3361JH6SAJSEDSW9", "wal"]


def test_without_a_snapshot_nothing_is_put_back(data: Path, snapshots: Path) -> None:
    assert restore(snapshots, data) is None
    snapshots.mkdir()
    assert restore(snapshots, data) is None


def test_a_disk_too_small_for_it_is_left_as_it_was(
    data: Path, snapshots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take(data, snapshots)
    with monkeypatch.context() as patched:
        patched.setattr(copies, "copy_synced", full_disk)
        with pytest.raises(SnapshotError, match=f"restored into {data}: No space left on device"):
            restore(snapshots, data)
    assert names(data) == ["wal"]
    assert restore(snapshots, data) == Restored(taken.folder.name, taken.span)


class Crash(BaseException):
    """The process ends here; what is cleaned up on errors is not."""


@pytest.mark.parametrize("step", range(9))
def test_a_restore_that_was_cut_short_is_finished_by_the_next(
    data: Path, snapshots: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    taken = take(data, snapshots)
    left = step

    def crash_at(call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash
            return call(*arguments, **options)

        return called

    with monkeypatch.context() as patched:
        # In this order: the folder is made, two blocks are copied, it is renamed, the blocks are moved.
        for owner, name in ((restoring, "copy_tree_synced"), (restoring, "sync_folder"), (Path, "rename"),
                            (Path, "rmdir")):  # fmt: skip
            patched.setattr(owner, name, crash_at(getattr(owner, name)))
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Crash):
            restore(snapshots, data)
    blocks = [name for name in names(data) if name in BLOCKS]
    assert not blocks or any(name.startswith("restoring-") for name in names(data))

    assert restore(snapshots, data) == Restored(taken.folder.name, taken.span)

    assert names(data) == [*BLOCKS, "wal"]
    assert restore(snapshots, data) is None


def unreadable(folder: Path) -> list[Path]:
    raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))


def no_client(*_: object) -> PrometheusClient:
    raise AssertionError


def test_a_history_that_cannot_be_read_for_a_moment_is_waited_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = held_session(tmp_path)
    session.prometheus.mkdir(parents=True)
    taken = take(data, session.snapshots)
    log, entries = recording_log()
    launch: Any = SimpleNamespace(storage=Storage(data))
    keeper = Snapshots(session, FakeClock(), log, no_client, lambda: None, run=lambda task: task())
    observer = Observer(
        launch.storage, 0, lambda: keeper.restore(launch), no_client, lambda: None, lambda task: task()
    )
    with monkeypatch.context() as patched:
        patched.setattr(module, "files_below", unreadable)
        for _ in range(RESTORE_TRIES - 1):
            assert "history cannot be put back yet: [Errno 5]" in observer._try_and_restore()
        assert events(entries) == []
        assert observer._try_and_restore() == ""  # better without than never
    assert events(entries) == ["prometheus.not_restored"]
    assert observer._try_and_restore() == ""
    assert [entry["snapshot"] for entry in entries[1:]] == [taken.folder.name]
