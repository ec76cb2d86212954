"""From markers in a real folder to one result a window, whatever comes between."""

from __future__ import annotations

import errno
import grp
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.artifacts import store
from monitord.artifacts.attempt import Attempt
from monitord.daemon import collection_threads as module
from monitord.daemon import window_markers
from monitord.daemon.collection_threads import Collected
from monitord.daemon.windows import WindowReconciler
from monitord.errors import InvalidInputError, PrometheusUnavailableError
from monitord.session.held import HeldSession
from monitord.session.settings import Settings
from monitord.system.background import Workers
from monitord.system.timestamps import to_iso
from monitord.windows.markers import Marker, read_marker
from monitord.windows.model import Window
from tests.conftest import wait_until
from tests.fakes.clock import FakeClock
from tests.fakes.guard import held_session, permit, unguarded
from tests.fakes.log import Entries, events, recording_log
from tests.fakes.threads import NO_THREAD, Threads


class World:
    """A session whose daemon can be started, looked at and started again."""

    def __init__(self, root: Path, group: str | None = None) -> None:
        self.session = held_session(root)
        self.session.create(b"session: s\n", group)
        self.clock = FakeClock()
        self.is_settled = True
        self.failures: list[BaseException] = []
        self.collected: list[tuple[Window, bool]] = []
        self.noted: list[None] = []
        self.may_finish = threading.Event()
        self.may_finish.set()
        self.start()

    def start(self) -> None:
        self.entries: Entries
        log, self.entries = recording_log()
        self.reconciler = WindowReconciler(
            self.session, Settings(), self.clock, log, settled=lambda _: self.is_settled,
            collect=self._collect, wake=lambda: None, collected=lambda: self.noted.append(None),
        )  # fmt: skip

    def _collect(self, window: Window, unsettled: bool, attempt: Attempt) -> Collected:
        self.collected.append((window, unsettled))
        self.may_finish.wait(20)
        if self.failures:
            raise self.failures.pop(0)
        content = {
            "markers": dict(window.markers), "owner_uid": window.owner_uid, "status": "complete",
            "window": {"from": to_iso(window.start), "to": to_iso(window.end)},
        }  # fmt: skip
        folder = store.publish(self.session.artifacts, window.id, {}, content, permit=permit(attempt))
        return Collected("complete", str(folder))

    def mark(self, name: str, at: float = 0.0, content: bytes = b"") -> Path:
        """Write a marker whose time is so many seconds from the world's beginning."""
        path = self.session.windows / name
        path.write_bytes(content)
        moment = int((self.clock.wall + at) * 1e9)
        os.utime(path, ns=(moment, moment))
        return path

    def round(self) -> None:
        self.reconciler.reconcile()
        self.clock.advance(0.5)

    def settle(self, rounds: int = 6) -> None:
        for _ in range(rounds):
            self.round()

    def until_published(self, key: str, value: Any) -> None:
        def reached() -> bool:
            self.round()
            return bool(self.status().get(key) == value)

        wait_until(reached, f"{key} to be {value}")

    def until(self, state: str, window_id: str = "r") -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            self.round()
            status = self.status(window_id)
            return status if status.get("state") == state else None

        return wait_until(reached, f"{window_id} to be {state}, not {self.status(window_id)}")

    def until_collected(self, times: int) -> None:
        def reached() -> bool:
            self.round()
            return len(self.collected) >= times

        wait_until(reached, f"{times} collections")

    def status(self, window_id: str = "r") -> dict[str, Any]:
        path = self.session.window_status(window_id)
        return json.loads(path.read_bytes()) if path.exists() else {}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.clock.advance(1000.0)
    yield world
    world.may_finish.set()
    world.reconciler.stop()


def test_a_window_from_start_to_result(world: World) -> None:
    world.mark("r.start", 0)
    assert world.until("open")["to"] is None
    world.is_settled = False
    world.mark("r.stop", 60)
    assert world.until("settling")["to"] == "2023-11-14T22:14:20.000Z"
    world.is_settled, world.may_finish = True, threading.Event()
    world.until("collecting")
    world.may_finish.set()
    status = world.until("done")
    assert status["artifacts"] == str(world.session.artifacts / "r")
    [(window, unsettled)] = world.collected
    assert (window.seconds, window.truncated, unsettled) == (60.0, False, False)
    assert events(world.entries) == ["window.opened", "window.closed", "window.collected"]


def test_a_finished_window_is_left_alone_also_after_a_restart(world: World) -> None:
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until("done")
    written = world.session.window_status("r").stat()
    for _ in range(2):
        world.settle()
        world.start()
    assert len(world.collected) == 1
    assert world.session.window_status("r").stat() == written


def test_a_newer_stop_asks_again(world: World) -> None:
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until("done")
    world.mark("r.stop", 90, b"results: {total: 5}\n")
    world.until_collected(2)
    world.until("done")
    assert world.collected[1][0].seconds == 90.0


def test_a_stop_that_came_during_the_collection_is_followed_after_it(world: World) -> None:
    world.may_finish.clear()
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until("collecting")
    world.mark("r.stop", 90)
    world.settle()
    assert len(world.collected) == 1
    world.may_finish.set()
    world.until_collected(2)
    assert world.until("done")["to"] == "2023-11-14T22:14:50.000Z"


def test_targets_that_never_settle_are_not_waited_for_for_ever(world: World) -> None:
    world.is_settled = False
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    began = world.clock.now()
    world.until("done")
    assert world.clock.now() - began >= 30.0
    assert world.collected[0][1] is True


def test_prometheus_that_is_away_is_tried_again(world: World) -> None:
    world.failures = [PrometheusUnavailableError("connection refused"), PrometheusUnavailableError("again")]
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until("done")
    assert len(world.collected) == 3


def test_a_prometheus_that_comes_back_is_waited_for_until_it_has_scraped_again(world: World) -> None:
    world.is_settled = False
    world.failures = [PrometheusUnavailableError("it was killed")]
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until_collected(1)
    assert world.until("settling")["reason"] == "it was killed"
    world.settle(6)
    assert len(world.collected) == 1, "it does not settle for less while there is time"
    world.is_settled = True
    world.until("done")
    assert [unsettled for _, unsettled in world.collected] == [True, False]


def test_artifacts_that_find_no_room_are_written_once_there_is_some(world: World) -> None:
    full = OSError(28, "No space left on device", "/s/artifacts/x")
    world.failures = [full, full]
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until_collected(1)

    def reason() -> str:
        world.round()
        return str(world.status()["reason"])

    expected = (
        "the artifacts cannot be written: No space left on device (/s/artifacts/x); tried again by itself"
    )
    wait_until(lambda: reason() == expected, "it to be published")
    assert world.status()["state"] == "settling"
    world.until("done")
    assert len(world.collected) == 3
    assert events(world.entries).count("window.not_written") == 1


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (InvalidInputError("no recipe nodee; did you mean node?"), "no recipe nodee; did you mean node?"),
        (KeyError("x"), "internal error: KeyError('x')"),
    ],
)
def test_a_collection_that_fails_fails_once_with_its_reason(
    world: World, failure: Exception, reason: str
) -> None:
    world.failures = [failure]
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    assert world.until("failed")["reason"] == reason
    world.settle()
    world.start()
    world.settle()
    assert len(world.collected) == 1
    world.mark("r.stop", 61)  # asks again
    world.until("done")


def test_a_cancel_ends_it_with_nothing_collected(world: World) -> None:
    world.mark("r.start", 0)
    world.until("open")
    world.mark("r.cancel", 30)
    world.until("cancelled")
    world.mark("r.stop", 60)
    world.settle()
    assert world.status()["state"] == "cancelled"
    assert world.collected == []


@pytest.mark.parametrize("content", [b"", b"garbage\n"])
def test_a_cancel_of_a_finished_window_changes_nothing(world: World, content: bytes) -> None:
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until("done")
    world.mark("r.cancel", 90, content)
    world.settle()
    assert world.status()["state"] == "done"


def test_markers_deleted_before_the_end_cancel_the_window(world: World) -> None:
    path = world.mark("r.start", 0)
    world.until("open")
    path.unlink()
    assert world.until("cancelled")["reason"] == "its markers were deleted"


def test_a_window_made_again_while_it_is_collected_gets_its_own_result_alone(world: World) -> None:
    first = world.may_finish = threading.Event()
    paths = [world.mark("r.start", 0), world.mark("r.stop", 60)]
    world.until("collecting")
    for path in paths:
        path.unlink()
    assert world.until("cancelled")["reason"] == "its markers were deleted"
    world.mark("r.start", 100)
    assert world.until("open")["from"] == "2023-11-14T22:15:00.000Z"
    world.mark("r.stop", 130)
    reason = "an earlier collection of this window, which is not wanted any more, has not ended yet"
    world.settle()
    assert world.until("settling")["reason"] == reason
    assert len(world.collected) == 1
    first.set()
    assert world.until("done")["to"] == "2023-11-14T22:15:30.000Z"
    world.settle()
    assert [window.seconds for window, _ in world.collected] == [60.0, 30.0]
    manifest = store.read_manifest(world.session.artifacts / "r") or {}
    assert manifest["markers"] == world.status()["markers"] == dict(world.collected[1][0].markers)
    assert [path.name for path in world.session.artifacts.iterdir()] == ["r"]
    assert events(world.entries).count("window.collected") == len(world.noted) == 1


def test_a_window_withdrawn_while_it_is_collected_leaves_nothing(world: World) -> None:
    world.may_finish.clear()
    paths = [world.mark("r.start", 0), world.mark("r.stop", 60)]
    world.until("collecting")
    for path in paths:
        path.unlink()
    world.until("cancelled")
    world.may_finish.set()
    world.mark("w.start", 0)
    world.mark("w.stop", 60)
    world.until("done", "w")
    world.settle()
    assert world.status()["state"] == "cancelled"
    assert [path.name for path in world.session.artifacts.iterdir()] == ["w"]
    assert len(world.noted) == 1


@pytest.mark.parametrize(
    ("failures", "state", "noted"),
    [([], "done", 1), ([OSError(28, "No space left on device")], "cancelled", 0)],
)
def test_markers_deleted_as_the_artifacts_appear_are_deleted_afterwards(
    world: World, failures: list[BaseException], state: str, noted: int
) -> None:
    def withdrawn_late(window: Window, unsettled: bool, attempt: Attempt) -> Collected:
        attempt.claim(unguarded)
        return world._collect(window, unsettled, attempt)

    world.failures = failures
    world.reconciler.collect_with(withdrawn_late)
    world.may_finish.clear()
    paths = [world.mark("r.start", 0), world.mark("r.stop", 60)]
    world.until_collected(1)
    for path in paths:
        path.unlink()
    world.settle()
    assert world.status()["state"] == "collecting"
    world.may_finish.set()
    world.until(state)
    assert len(world.noted) == noted


def test_markers_deleted_afterwards_leave_the_result_and_free_the_name(world: World) -> None:
    paths = [world.mark("r.start", 0), world.mark("r.stop", 60)]
    world.until("done")
    for path in paths:
        path.unlink()
    world.settle()
    assert world.status()["state"] == "done"
    world.mark("r.start", 100)
    world.until("open")


def test_one_bad_marker_disturbs_no_other_window(world: World) -> None:
    world.mark("bad.start", 0, b"at: 1700000000000\n")
    world.mark("worse.start", 0, b"\xff\x00")
    os.mkfifo(world.session.windows / "pipe.start")
    (world.session.windows / "link.start").symlink_to("/etc/passwd")
    (world.session.windows / "time.start").touch()
    os.utime(world.session.windows / "time.start", (-5, -5))
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until("done")
    for window_id in ("bad", "worse", "pipe", "link", "time"):
        assert world.until("failed", window_id)["reason"]


def test_a_stop_does_not_fail_for_a_start_that_is_still_being_written(world: World) -> None:
    now = world.clock.elapsed
    world.mark("r.start", now - 0.3, b"labels: {batch: '32'}")  # no newline: it may go on
    world.mark("r.stop", now - 0.1)
    for _ in range(30):
        world.reconciler.reconcile()
        world.clock.advance(0.1)
        assert world.status().get("state") != "failed"
    world.until("done")
    assert "window.failed" not in events(world.entries)


def test_a_stop_waits_for_a_start_that_is_being_rewritten(world: World) -> None:
    world.mark("r.start", 0, b"labels: {batch: '16'}\n")
    world.until("open")
    now = world.clock.elapsed
    world.mark("r.start", now - 0.3, b"labels: {batch: '32'}")
    world.mark("r.stop", now - 0.1)
    world.until("done")
    assert [window.labels for window, _ in world.collected] == [{"batch": "32"}]


def test_a_past_window_that_ends_later_is_waited_for(world: World) -> None:
    start = world.clock.now()
    world.mark("r.yaml", 0, f"from: {start}\nto: {start + 20}\n".encode())
    assert world.until("open")["reason"] == "its end is in the future"
    assert world.reconciler.reconcile() == pytest.approx(start + 20 - world.clock.now())
    world.until("done")


# --- the end of the daemon


def test_open_windows_are_closed_as_truncated_and_collected(world: World) -> None:
    world.mark("r.start", 0)
    world.until("open")
    closed_at = world.clock.now()
    world.reconciler.close_open()
    wait_until(lambda: not world.reconciler.advance())
    status = world.status()
    assert (status["state"], status["truncated"]) == ("done", True)
    [(window, _)] = world.collected
    assert (window.truncated, window.end) == (True, closed_at)
    world.start()
    world.settle()
    assert len(world.collected) == 1


def test_when_time_is_short_the_last_scrapes_get_a_part_of_it(world: World) -> None:
    world.is_settled = False
    world.mark("r.start", 0)
    world.until("open")
    world.reconciler.shorten_deadline(9.0)
    world.reconciler.close_open()
    world.clock.advance(2.9)
    assert world.reconciler.advance()
    assert world.collected == []
    world.clock.advance(0.1)
    wait_until(lambda: not world.reconciler.advance())
    [(window, unsettled)] = world.collected
    assert (window.truncated, unsettled) == (True, True)


def test_a_truncated_window_is_finished_by_the_next_daemon_with_its_own_end(world: World) -> None:
    world.is_settled = False
    world.mark("r.start", 0)
    world.until("open")
    closed_at = world.clock.now()
    world.reconciler.close_open()
    world.reconciler.advance()
    assert (world.status()["state"], world.status()["truncated"]) == ("settling", True)
    world.reconciler.stop()
    world.clock.advance(3600.0)
    world.is_settled = True
    world.start()
    assert world.until("done")["truncated"] is True
    [(window, _)] = world.collected
    assert window.end == pytest.approx(closed_at, abs=0.001)


def test_a_stop_between_two_daemons_closes_the_window_for_good(world: World) -> None:
    world.is_settled = False
    world.mark("r.start", 0)
    world.until("open")
    world.reconciler.close_open()
    world.mark("r.stop", 1200)
    world.clock.advance(3600.0)
    world.is_settled = True
    world.start()
    assert world.until("done")["truncated"] is False
    assert world.collected[0][0].seconds == 1200.0


def test_artifacts_that_appeared_before_a_crash_are_the_result(world: World) -> None:
    markers = {
        path.name: path.stat().st_mtime_ns for path in (world.mark("r.start", 0), world.mark("r.stop", 60))
    }
    status = {"state": "collecting", "from": None, "to": None, "markers": markers}
    world.session.window_status("r").write_text(json.dumps(status))
    (world.session.artifacts / "r").mkdir()
    manifest = {
        "markers": markers, "status": "partial", "reasons": [{"code": "low_coverage", "message": "few"}],
        "slo": [{"status": "met"}, {"status": "breached"}],
    }  # fmt: skip
    (world.session.artifacts / "r" / "MANIFEST.json").write_text(json.dumps(manifest))
    world.start()
    world.settle()
    assert world.collected == []
    status = world.status()
    assert (status["state"], status["verdict"], status["slo"], status["reason"]) == (
        "done", "partial", "breached", "few",
    )  # fmt: skip
    assert status["artifacts"] == str(world.session.artifacts / "r")


def test_a_crash_during_the_collection_has_it_done_again(world: World) -> None:
    world.may_finish.clear()
    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    world.until("collecting")
    world.may_finish.set()
    manifest = world.session.artifacts / "r" / "MANIFEST.json"
    wait_until(manifest.exists, "the artifacts")
    manifest.unlink()
    world.start()
    world.until("done")
    assert len(world.collected) == 2


def test_a_full_disk_delays_the_status_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    def round_on_a_full_disk() -> bool:
        with pytest.raises(OSError, match="No space"):
            world.reconciler.reconcile()
        world.clock.advance(0.5)
        return "window.collected" in events(world.entries)

    world.mark("r.start", 0)
    world.mark("r.stop", 60)
    with monkeypatch.context() as patched:
        patched.setattr(HeldSession, "publish", full)
        wait_until(round_on_a_full_disk)
    world.until("done")
    assert len(world.collected) == 1


def test_a_window_that_is_open_again_is_not_answered_by_what_came_of_it_before(world: World) -> None:
    world.mark("r.stop", -1)
    assert "without r.start" in world.until("failed")["reason"]
    start = world.mark("r.start", 0)
    assert "older than r.start" in world.until("open")["reason"]
    start.unlink()
    assert "without r.start" in world.until("failed")["reason"]


# --- what was published is asked before anything is collected


def done(world: World) -> list[Path]:
    """Have a window collected; return its markers."""
    paths = [world.mark("r.start", 0), world.mark("r.stop", 60)]
    world.until("done")
    return paths


def test_a_lost_status_is_made_again_from_the_manifest(world: World) -> None:
    done(world)
    before = world.status()
    world.session.window_status("r").unlink()
    world.start()
    after = world.until("done")
    assert len(world.collected) == 1
    assert after == {**before, "updated_at": after["updated_at"]}


@pytest.mark.parametrize("content", ["{}", '{"state": "failed", "updated_at": 5, "ignored": null}'])
def test_a_status_that_is_not_one_of_ours_is_as_good_as_lost(world: World, content: str) -> None:
    done(world)
    world.session.window_status("r").write_text(content)
    world.start()
    world.until("done")
    assert len(world.collected) == 1


def test_a_truncated_window_whose_status_is_lost_is_not_open_again(world: World) -> None:
    world.mark("r.start", 0)
    world.until("open")
    world.reconciler.close_open()
    wait_until(lambda: not world.reconciler.advance())
    world.session.window_status("r").unlink()
    world.start()
    world.until("done")
    world.settle()
    assert len(world.collected) == 1


def test_a_manifest_that_cannot_be_read_now_holds_up_its_own_window_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(path: Path) -> dict[str, Any] | None:
        if path.name == "r":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path)

    def other_is_done() -> bool:
        with pytest.raises(OSError, match="Input/output error"):
            world.round()
        world.clock.advance(0.5)
        return world.status("w").get("state") == "done"

    done(world)
    world.session.window_status("r").unlink()
    world.start()
    real = store.read_manifest
    with monkeypatch.context() as patched:
        patched.setattr(window_markers, "read_manifest", unreadable)
        world.mark("w.start", 0)
        world.mark("w.stop", 60)
        wait_until(other_is_done, "the other window")
    assert world.status() == {}
    world.until("done")
    assert [window.id for window, _ in world.collected] == ["r", "w"]


def test_markers_deleted_between_a_crash_and_the_next_daemon_leave_the_result(world: World) -> None:
    paths = done(world)
    status = world.session.window_status("r")
    status.write_text(json.dumps({**world.status(), "state": "collecting", "artifacts": None}))
    for path in paths:
        path.unlink()
    world.start()
    assert world.until("done")["artifacts"]
    assert len(world.collected) == 1


# --- strays

DAEMON, MINE, THEIRS = 5, 7, 9


@pytest.mark.parametrize("restart", [False, True])
def test_a_finished_window_is_again_what_it_was_once_a_stray_marker_goes(world: World, restart: bool) -> None:
    done(world)
    before = world.status()
    stray = world.mark("r.yaml")
    assert world.until("failed")["artifacts"] is None
    if restart:
        world.start()
        world.settle()
    stray.unlink()
    after = world.until("done")
    assert after == {**before, "updated_at": after["updated_at"]}
    world.settle()
    assert len(world.collected) == 1


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can write files of several users")


@as_root
def test_a_marker_of_somebody_else_is_reported_and_changes_nothing(world: World) -> None:
    world.reconciler._markers.uid = DAEMON
    for path in (world.mark("r.start", 0), world.mark("r.stop", 60)):
        os.chown(path, MINE, -1)
    before = world.until("done")
    stray = world.mark("r.cancel", 30)
    os.chown(stray, THEIRS, -1)
    sentence = "r.cancel is ignored: it belongs to uid 9, but the window to uid 7"
    world.until_published("ignored", [sentence])
    assert (world.status()["state"], world.status()["reason"]) == ("done", sentence)
    world.start()
    world.reconciler._markers.uid = DAEMON
    world.settle()
    stray.touch()
    world.settle()
    assert world.status()["reason"] == sentence
    assert "window.marker_ignored" not in events(world.entries), "it was reported by the daemon before"
    stray.unlink()
    world.until_published("ignored", [])
    assert {**world.status(), "updated_at": None} == {**before, "updated_at": None}
    assert len(world.collected) == 1


@as_root
def test_a_stray_that_is_written_for_ever_delays_nothing(world: World) -> None:
    world.reconciler._markers.uid = DAEMON
    os.chown(world.mark("r.start", 0), MINE, -1)
    world.until("open")
    os.chown(world.mark("r.stop", 60), MINE, -1)

    def reached() -> bool:
        os.chown(world.mark("r.yaml", world.clock.elapsed, b"from: x"), THEIRS, -1)
        world.round()
        return str(world.status()["state"]) == "done"

    wait_until(reached, "the window")


@as_root
def test_in_a_group_no_user_ends_or_takes_over_the_window_of_another(tmp_path: Path) -> None:
    world = World(tmp_path, group=grp.getgrgid(1).gr_name)
    world.clock.advance(1000.0)

    def by(uid: int, *commands: str) -> None:
        """Have a user of the group do something in the drop folder."""
        become = f"import os; os.chdir({os.fspath(world.session.windows)!r}); os.setgroups([1]); os.setgid(1)"
        moment = int(world.clock.now() * 1e9)
        touch = "touch = lambda name: (open(name, 'w').close(), os.utime(name, ns=(moment, moment)))"
        script = "\n".join((become, f"os.setuid({uid}); moment = {moment}", touch, *commands))
        subprocess.run([sys.executable, "-c", script], check=True)

    by(MINE, "touch('r.start')")
    world.until("open")
    by(THEIRS, "touch('r.stop'); touch('r.cancel'); touch('r.yaml')")
    strays = sorted(("r.stop", "r.cancel", "r.yaml"))
    sentences = [
        f"{name} is ignored: it belongs to uid {THEIRS}, but the window to uid {MINE}" for name in strays
    ]
    world.until_published("ignored", sentences)
    assert world.status()["state"] == "open"
    assert events(world.entries).count("window.marker_ignored") == 3
    refused = "try: os.unlink('r.start')\nexcept PermissionError: pass\nelse: raise AssertionError"
    by(THEIRS, refused, "os.unlink('r.stop'); os.unlink('r.cancel'); os.unlink('r.yaml')")
    world.settle()
    by(0, "touch('r.stop')")  # the daemon's own user
    assert world.until("done")["owner_uid"] == MINE
    assert world.status()["ignored"] == []
    world.reconciler.stop()


# --- statuses that nobody needs any more


@pytest.mark.parametrize("restart", [False, True])
def test_the_status_of_a_window_without_markers_and_artifacts_goes_after_a_day(
    world: World, restart: bool
) -> None:
    paths = [world.mark(f"{name}.{kind}") for name in ("gone", "kept") for kind in ("start", "cancel")]
    paths += done(world)
    for name in ("gone", "kept"):
        world.until("cancelled", name)
    for path in paths:
        if path.name != "kept.cancel":
            path.unlink()
    world.settle()
    for seconds, is_there in ((86_000.0, True), (1_000.0, False)):
        world.clock.advance(seconds)
        if restart:
            world.start()
        world.settle()
        assert world.session.window_status("gone").exists() == is_there
    assert world.status("kept")["state"] == "cancelled"
    assert world.status("r")["state"] == "done"
    shutil.rmtree(world.session.artifacts / "r")
    world.clock.advance(1_000.0)
    world.settle()
    assert world.status("r") == {}
    world.mark("r.start", world.clock.elapsed)
    world.until("open")


class KilledError(BaseException):
    """The daemon dies here."""


class AtOnce:
    """Runs collections in the round that begins them, so that a history always goes the same way."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take what workers take."""

    def submit(self, collect: Callable[..., Collected], *arguments: Any) -> Future[Collected]:
        future: Future[Collected] = Future()
        try:
            future.set_result(collect(*arguments))
        except BaseException as error:  # noqa: BLE001  # handed on to whoever takes the result
            future.set_exception(error)
        return future


class MortalWorld(World):
    """A world whose daemon dies in its next collection, before or after the artifacts are there."""

    dies = ""

    def __init__(self, root: Path) -> None:
        self.published: list[dict[str, int]] = []
        super().__init__(root)

    def _collect(self, window: Window, unsettled: bool, attempt: Attempt) -> Collected:
        dies, self.dies = self.dies, ""
        if dies == "before":
            raise KilledError
        collected = super()._collect(window, unsettled, attempt)
        self.published.append(dict(window.markers))
        if dies == "after":
            raise KilledError
        return collected

    def follow(self, event: str, ahead: float) -> None:
        match event:
            case "before" | "after":
                self.dies = event
            case "restart":
                self.start()
            case "delete":
                with suppress(StopIteration):
                    next(self.session.windows.iterdir()).unlink()
            case "yaml":
                now = self.clock.wall
                self.mark("r.yaml", ahead, f"from: {now - 60}\nto: {now - 30}\n".encode())
            case "garbage":
                self.mark("r.stop", ahead, b"[")
            case _:
                self.mark(f"r.{event}", ahead)
        self.live(3)
        if self.status().get("state") in ("open", "failed", "cancelled") and self.published[-1:] != [{}]:
            self.published.append({})  # what is asked for after that is another request, whatever it says

    def live(self, rounds: int) -> None:
        for _ in range(rounds):
            try:
                self.settle(4)
            except KilledError:
                self.start()


happenings = st.sampled_from(
    ["start", "stop", "stop", "cancel", "yaml", "garbage", "delete", "before", "after", "restart"]
)


@settings(max_examples=60)
@given(st.lists(st.tuples(happenings, st.integers(-3, 3)), max_size=12))
def test_whatever_happens_each_request_has_one_result_and_a_restart_adds_none(
    history: list[tuple[str, int]],
) -> None:
    with TemporaryDirectory() as folder, patch.object(module, "Workers", AtOnce):
        world = MortalWorld(Path(folder))
        world.clock.advance(1000.0)
        for event, ahead in history:
            world.follow(event, ahead)
        world.dies = ""
        world.clock.advance(1000.0)
        world.live(6)
        status, published = world.status(), list(world.published)
        assert all(first != second for first, second in pairwise(published))
        assert status.get("state") in (None, "open", "done", "failed", "cancelled"), status
        assert status.get("state") != "failed" or status["reason"]
        world.start()
        world.live(6)
        assert (world.status(), world.published) == (status, published)


def test_a_window_that_no_thread_could_be_started_for_is_collected_once_there_is_one(world: World) -> None:
    threads = Threads(are_left=False)
    world.reconciler._under_way._collections._workers = Workers(1, threads)
    world.mark("r.start", at=0.0)
    world.mark("r.stop", at=500.0)
    world.until("settling")
    world.settle(20)
    assert world.status()["reason"] == NO_THREAD
    threads.are_left = True
    assert world.until("done")["reason"] == ""
    assert len(world.collected) == 1


def test_a_marker_that_no_round_can_read_for_a_while_is_read_and_disturbs_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(name: str, *more: Any) -> Marker:
        if name == "bad.start":
            raise RuntimeError("a defect")
        return read_marker(name, *more)

    with monkeypatch.context() as patched:
        patched.setattr(window_markers, "read_marker", read)
        for window_id in ("a", "bad", "z"):
            world.mark(f"{window_id}.start", at=0.0)
        for _ in range(8):
            with suppress(RuntimeError):
                world.round()
        assert [world.status(window_id).get("state") for window_id in ("a", "bad", "z")] == [
            "open", None, "open",
        ]  # fmt: skip
    world.clock.advance(30.0)
    world.until("open", "bad")
