"""The supervised Prometheus, with a process and an HTTP API that a test plays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from monitord.errors import PrometheusUnavailableError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build, Version
from monitord.prometheus.child import supervised
from monitord.prometheus.child.command import ServerOptions
from monitord.prometheus.child.launch import Launch
from monitord.prometheus.child.memory_limit import MemoryLimit
from monitord.prometheus.child.outage_log import OutageLog
from monitord.prometheus.child.outages import Outages
from monitord.prometheus.child.restart_policy import Phase
from monitord.prometheus.child.status import StatusBoard
from monitord.prometheus.child.supervised import SupervisedPrometheus
from monitord.prometheus.config.run_folder import RunFolder
from monitord.prometheus.config.web_access import Access
from monitord.prometheus.data.blocks import SnapshotPlan
from monitord.prometheus.data.data_location import Location
from monitord.prometheus.data.storage import Storage
from monitord.session.settings import PrometheusSettings, Settings
from monitord.system.timestamps import from_iso
from tests.fakes.clock import FakeClock
from tests.fakes.guard import held_session
from tests.fakes.log import Entries, events, recording_log
from tests.fakes.threads import NO_THREAD, Threads


class FakeProcess:
    """One run: listens from the start, and ends when a test says so or on a signal it answers."""

    started: list[FakeProcess]
    limits: list[str]
    answers_sigterm = True
    reason = "opening it failed"

    def __init__(self) -> None:
        self.pid = 4000 + len(self.started)
        self.code: int | None = None
        self.signals: list[str] = []
        self.started.append(self)

    cannot_start: OSError | None = None

    @classmethod
    def start(
        cls, argv: Sequence[str], keep: Callable[[str], None], environment: Mapping[str, str]
    ) -> FakeProcess:
        if cls.cannot_start:
            raise cls.cannot_start
        cls.limits.append(environment["GOMEMLIMIT"])
        return cls()

    def poll(self) -> int | None:
        return self.code

    def log_bytes(self) -> int:
        return 0

    def reload(self) -> None:
        self.signals.append("HUP")

    def listening_url(self) -> str:
        return f"http://127.0.0.1:{self.pid}"

    def errors(self, most: int = 3) -> tuple[str, ...]:
        return (FakeProcess.reason,)

    def terminate(self) -> None:
        self.signals.append("TERM")
        if self.answers_sigterm:
            self.code = 0

    def kill(self) -> None:
        self.signals.append("KILL")
        self.code = -9


class World:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.ready, self.trial = FakeClock(), True, ""
        self.threads = Threads(lambda task: task())
        FakeProcess.started, FakeProcess.limits, FakeProcess.answers_sigterm = [], [], True
        FakeProcess.reason, FakeProcess.cannot_start = "it just failed", None
        monkeypatch.setattr(supervised, "PrometheusProcess", FakeProcess)
        self.metrics: dict[str, float] = {}
        monkeypatch.setattr(PrometheusClient, "ready", lambda _: self.ready)
        monkeypatch.setattr(PrometheusClient, "metrics", lambda _: self.exposition)
        monkeypatch.setattr(PrometheusClient, "replay", lambda _: (1, 3))
        monkeypatch.setattr(Storage, "try_writing", lambda _: self.trial)
        self.session = held_session(folder)
        self.session.create(b"{}")
        self.entries: Entries
        log, self.entries = recording_log()
        settings = Settings(prometheus=PrometheusSettings(max_failures=4))
        (folder / "data").mkdir()
        options = ServerOptions(self.session.prometheus_config, folder / "data", "127.0.0.1:0", 86400.0)
        launch = Launch(
            Build(Path("/bin/prometheus"), Version(2, 42, 0), ""), None, Access(), Storage(folder / "data"),
            RunFolder(Location(folder / "run", "a test")), MemoryLimit(60_000_000, "a test"), options,
            SnapshotPlan(), "a test", (),
        )  # fmt: skip
        known = Outages(last_well=self.clock.now() - 60.0).unwell("daemon_not_running")
        self.changes: list[None] = []
        self.board = StatusBoard(known, files_changed=lambda: self.changes.append(None))
        self.prometheus = SupervisedPrometheus(
            self.session, settings, self.clock, log, launch, OutageLog(known), {},
            wake=lambda: None, post=self.board.post, keep_line=lambda _: None, run=self.threads,
        )  # fmt: skip

    @property
    def exposition(self) -> str:
        loaded = {"prometheus_config_last_reload_successful": 1.0, **self.metrics}
        return "".join(f"{name} {value}\n" for name, value in loaded.items())

    @property
    def outages(self) -> list[tuple[str, float | None]]:
        published = json.loads(self.board.latest.files[self.session.outages][0])["outages"]
        return [
            (item["reason"], None if item["to"] is None else from_iso(item["to"]) - from_iso(item["from"]))
            for item in published
        ]

    @property
    def process(self) -> FakeProcess:
        return FakeProcess.started[-1]

    def run(self, seconds: float) -> None:
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            pause = self.prometheus.supervise()
            self.clock.advance(max(pause if pause is not None else seconds, 0.01))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_before_it_runs_nothing_is_served(world: World) -> None:
    assert (world.prometheus.pid, world.prometheus.url, world.prometheus.is_ready) == (None, None, False)
    with pytest.raises(PrometheusUnavailableError, match="Prometheus is stopped, and serves nothing yet"):
        world.prometheus.client()
    with pytest.raises(PrometheusUnavailableError, match="Prometheus is stopped, and serves nothing yet"):
        world.board.connect(1.0)
    with pytest.raises(PrometheusUnavailableError, match="not prepared yet"):
        world.board.data_folder()
    assert world.board.latest.document["state"] == "stopped"


def test_what_any_thread_may_read_is_posted_after_each_step(world: World) -> None:
    keys = list(world.board.latest.document)
    world.run(1.0)
    latest = world.board.latest
    assert (latest.pid, latest.url, world.board.is_ready()) == (4000, "http://127.0.0.1:4000", True)
    assert world.board.connect(1.0).url == "http://127.0.0.1:4000"
    assert world.board.data_folder() == world.prometheus.launch.storage.folder
    assert set(keys) < set(latest.document)
    changes = len(world.changes)
    world.run(60.0)
    assert changes == len(world.changes), "nothing to publish changed"


def test_it_is_started_and_ready(world: World) -> None:
    world.run(1.0)
    assert world.prometheus.is_ready
    assert (world.prometheus.pid, world.prometheus.url) == (4000, "http://127.0.0.1:4000")
    assert events(world.entries) == ["prometheus.started", "prometheus.ready"]


def test_a_crash_is_logged_with_its_reason_and_it_is_started_again(world: World) -> None:
    world.run(10.0)
    world.process.code = 1
    world.prometheus.supervise()
    assert world.prometheus.phase is Phase.BACKOFF
    assert world.prometheus.last_error == "Prometheus exited with 1: it just failed"
    assert (world.prometheus.pid, world.prometheus.url) == (None, None)
    world.run(5.0)
    assert (world.prometheus.pid, world.prometheus.last_error) == (4001, "")
    assert events(world.entries).count("prometheus.exited") == 1
    assert world.entries[-1]["outage_seconds"] > 0
    assert [reason for reason, _ in world.outages] == ["daemon_not_running", "prometheus_exited"]
    assert world.outages[0][1] == pytest.approx(60.0, abs=0.5)


def test_one_that_hangs_is_ended_and_started_again(world: World) -> None:
    world.run(10.0)
    world.ready = FakeProcess.answers_sigterm = False
    world.run(40.0)
    assert FakeProcess.started[0].signals == ["TERM", "KILL"]
    assert "prometheus.hung" in events(world.entries)
    world.ready = True
    world.run(70.0)
    assert world.prometheus.is_ready
    assert world.prometheus.url == f"http://127.0.0.1:{world.process.pid}"


def test_a_stop_is_clean_and_final(world: World) -> None:
    world.run(10.0)
    world.prometheus.stop()
    world.run(100.0)
    assert world.prometheus.has_ended
    assert (world.process.signals, len(FakeProcess.started)) == (["TERM"], 1)
    assert world.prometheus.last_error == ""


def test_a_stop_before_the_first_start_starts_nothing(world: World) -> None:
    world.prometheus.stop()
    world.run(10.0)
    assert world.prometheus.has_ended
    assert FakeProcess.started == []


def test_an_outage_is_published_while_it_lasts(world: World) -> None:
    world.run(10.0)
    world.process.code = 1
    world.prometheus.supervise()
    assert world.outages[-1] == ("prometheus_exited", None)
    world.run(5.0)
    (_, seconds) = world.outages[-1]
    assert seconds == pytest.approx(5.0, abs=5.0)


def test_a_full_disk_is_reported_and_ends_in_one_restart(world: World) -> None:
    world.run(10.0)
    world.metrics["prometheus_tsdb_wal_writes_failed_total"] = 3.0
    world.trial = "/data cannot be written: No space left on device"
    world.run(10.0)
    assert "what is scraped is lost" in world.prometheus.last_error
    assert world.board.latest.document["data"]["writable"] is False
    assert world.outages[-1] == ("data_unwritable", None)
    world.run(1000.0)
    assert len(FakeProcess.started) == 1
    world.trial, world.metrics = "", {}
    world.run(3.0)
    assert (world.process.pid, FakeProcess.started[0].signals) == (4001, ["TERM"])
    assert (world.prometheus.is_ready, world.prometheus.last_error) == (True, "")
    assert world.outages[-1][1] == pytest.approx(1010.0, abs=10.0)
    assert events(world.entries).count("prometheus.unwritable") == 1
    assert events(world.entries)[-4:] == [
        "prometheus.restarted", "prometheus.exited", "prometheus.started", "prometheus.ready"
    ]  # fmt: skip


def test_nothing_is_started_while_its_data_cannot_be_written(world: World) -> None:
    world.trial = "/data cannot be written: Read-only file system"
    world.run(1000.0)
    assert FakeProcess.started == []
    assert world.prometheus.last_error == world.trial
    world.trial = ""
    world.run(3.0)
    assert (world.prometheus.is_ready, world.prometheus.last_error) == (True, "")


def test_data_that_it_refuses_are_kept_beside(world: World) -> None:
    FakeProcess.reason = "opening storage failed: invalid magic number 0"
    data = world.prometheus.launch.storage.folder
    (data / "wal").mkdir()
    world.run(1.0)
    world.process.code = 1
    world.run(3.0)
    world.process.code = 1
    world.run(5.0)
    (aside,) = world.prometheus.launch.storage.set_asides()
    assert (aside / "wal").is_dir()
    assert list(data.iterdir()) == []
    assert world.board.latest.document["data"]["set_aside"] == [str(aside)]
    assert "prometheus.data_set_aside" in events(world.entries)


def test_it_is_given_up_with_the_reason_and_tried_again_when_asked(world: World) -> None:
    world.run(1.0)
    while not world.prometheus.has_given_up:
        world.process.code = 1
        world.run(1.0)
    assert len(FakeProcess.started) == 4
    assert world.board.latest.document["state"] == "fatal"
    assert "given up after 4 failures in a row: Prometheus exited with 1: it just failed" in (
        world.prometheus.last_error
    )
    assert events(world.entries).count("prometheus.given_up") == 1
    world.run(10_000.0)
    assert len(FakeProcess.started) == 4
    world.prometheus.retry()
    world.run(1.0)
    assert (world.prometheus.is_ready, world.prometheus.last_error) == (True, "")


def test_how_it_is_stands_in_the_status(world: World) -> None:
    world.ready = False
    world.run(1.0)
    assert world.board.latest.document["replayed_segments"] == {"done": 1, "all": 3}
    world.ready = True
    world.metrics = {"process_resident_memory_bytes": 5e7, "prometheus_tsdb_head_series": 12.0}
    world.run(10.0)
    status = world.board.latest.document
    assert (status["memory"]["resident_bytes"], status["series"]) == (50_000_000, 12)
    assert (status["memory"]["limit_bytes"], status["memory"]["pressure"]) == (60_000_000, "ok")
    assert FakeProcess.limits == ["60000000"]
    assert status["replayed_segments"] is None
    assert status["outage"] is None
    assert from_iso(status["last_well_at"]) == pytest.approx(world.clock.now(), abs=6.0)


def test_a_start_that_fails_is_reported_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> FakeProcess:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(FakeProcess, "start", fail)
        world.run(3.0)
        assert "could not be started: [Errno 116] Stale file handle" in world.prometheus.last_error
    world.run(10.0)
    assert world.prometheus.is_ready


def test_the_lack_of_threads_is_reported_and_a_start_waits_for_one(world: World) -> None:
    world.run(5.0)
    world.threads.are_left = False
    world.process.code = -9
    world.run(60.0)
    assert len(FakeProcess.started) == 1
    assert world.prometheus.phase is Phase.BACKOFF
    assert NO_THREAD in world.prometheus.last_error
    world.threads.are_left = True
    world.run(5.0)
    assert len(FakeProcess.started) == 2
    assert world.prometheus.is_ready
    assert world.prometheus.last_error == ""


def test_one_that_runs_while_there_is_no_thread_is_left_alone(world: World) -> None:
    world.run(5.0)
    world.threads.are_left = False
    world.run(60.0)
    assert world.prometheus.is_ready
    world.threads.are_left = True
    world.ready = False
    world.run(60.0)
    assert "TERM" in FakeProcess.started[0].signals, "that it hangs is noticed again"


def test_a_start_that_finds_no_process_is_tried_again_without_end(world: World) -> None:
    FakeProcess.cannot_start = BlockingIOError(11, "Resource temporarily unavailable")
    world.run(1200.0)
    assert not world.prometheus.has_given_up
    assert events(world.entries).count("prometheus.not_started") > 4 * 4
    FakeProcess.cannot_start = None
    world.run(60.0)
    assert world.prometheus.is_ready


def test_a_start_that_another_try_would_only_repeat_is_given_up(world: World) -> None:
    FakeProcess.cannot_start = PermissionError(13, "Permission denied")
    world.run(1200.0)
    assert world.prometheus.has_given_up
