"""The supervised Prometheus, with a process and an HTTP API that a test plays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from monitord.errors import PrometheusUnavailableError
from monitord.prometheus import supervised
from monitord.prometheus.api import PrometheusClient
from monitord.prometheus.supervised import SupervisedPrometheus
from monitord.prometheus.supervision import Phase
from monitord.session import Session
from monitord.settings import Settings
from tests.fakes.clock import FakeClock
from tests.fakes.log import Entries, events, recording_log


class FakeProcess:
    """One run: listens from the start, and ends when a test says so or on a signal it answers."""

    started: list[FakeProcess]
    answers_sigterm = True

    def __init__(self) -> None:
        self.pid = 4000 + len(self.started)
        self.code: int | None = None
        self.signals: list[str] = []
        self.started.append(self)

    @classmethod
    def start(cls, argv: Sequence[str], log: Path) -> FakeProcess:
        return cls()

    def poll(self) -> int | None:
        return self.code

    def listening_url(self) -> str:
        return f"http://127.0.0.1:{self.pid}"

    def errors(self) -> tuple[str, ...]:
        return ("opening storage failed",)

    def terminate(self) -> None:
        self.signals.append("TERM")
        if self.answers_sigterm:
            self.code = 0

    def kill(self) -> None:
        self.signals.append("KILL")
        self.code = -9


class World:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.ready = FakeClock(), True
        FakeProcess.started, FakeProcess.answers_sigterm = [], True
        monkeypatch.setattr(supervised, "PrometheusProcess", FakeProcess)
        monkeypatch.setattr(PrometheusClient, "ready", lambda _: self.ready)
        self.entries: Entries
        log, self.entries = recording_log()
        self.prometheus = SupervisedPrometheus(Session(folder, "s"), Settings(), self.clock, log)

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


def test_it_is_started_and_ready(world: World) -> None:
    world.run(1.0)
    assert world.prometheus.is_ready
    assert (world.prometheus.pid, world.prometheus.url) == (4000, "http://127.0.0.1:4000")
    assert events(world.entries) == ["prometheus.started", "prometheus.ready"]


def test_a_crash_is_told_with_its_reason_and_it_is_started_again(world: World) -> None:
    world.run(10.0)
    world.process.code = 1
    world.prometheus.supervise()
    assert world.prometheus.phase is Phase.BACKOFF
    assert world.prometheus.last_error == "Prometheus exited with 1: opening storage failed"
    assert (world.prometheus.pid, world.prometheus.url) == (None, None)
    world.run(5.0)
    assert (world.prometheus.pid, world.prometheus.last_error) == (4001, "")
    assert events(world.entries).count("prometheus.exited") == 1
    assert world.entries[-1]["outage_seconds"] > 0


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
