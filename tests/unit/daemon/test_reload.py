"""A reload, as SIGHUP requests it."""

from __future__ import annotations

import pytest

from monitord.daemon.live_settings import LiveSettings
from monitord.daemon.phase import Lifecycle, Phase
from monitord.daemon.reload import Reload
from monitord.daemon.service_notify import ServiceNotify
from monitord.errors import InvalidInputError
from monitord.session.settings import Settings, check_settings
from tests.fakes.log import events, recording_log


class World:
    """A reload of which every step is recorded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wanted: Settings | InvalidInputError = check_settings(b"scrape_interval: 9s\n")
        self.steps: list[str] = []
        self.applied: list[float] = []
        self.lifecycle, self.settings = Lifecycle(), LiveSettings(Settings())
        self.settings.follow(lambda settings: self.applied.append(settings.scrape_interval))
        monkeypatch.setattr(
            ServiceNotify, "notify", lambda _, line: self.steps.append(line.partition("=")[0].lower())
        )
        log, self.entries = recording_log()
        self.reload = Reload(
            self.settings, self.read, lambda: self.steps.append("logs"), log, ServiceNotify(), self.lifecycle,
            retry=lambda: self.steps.append("retry"), wake=lambda: self.steps.append("wake"),
        )  # fmt: skip

    def read(self) -> Settings:
        if isinstance(self.wanted, InvalidInputError):
            raise self.wanted
        return self.wanted


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_nothing_is_reloaded_unasked(world: World) -> None:
    assert world.reload.step() == float("inf")
    assert (world.steps, world.applied) == ([], [])


def test_a_request_reloads_once(world: World) -> None:
    world.reload.request()
    world.reload.step()
    world.reload.step()
    assert world.steps == ["wake", "logs", "retry"]
    assert (world.applied, world.settings.current.scrape_interval) == ([9.0], 9.0)
    assert events(world.entries) == ["settings.reloaded"]


def test_systemd_knows_of_a_reload_once_the_daemon_is_ready(world: World) -> None:
    world.lifecycle.enter(Phase.READY)
    world.reload.request()
    world.reload.step()
    assert world.steps == ["wake", "reloading", "logs", "retry", "ready"]


def test_settings_with_an_error_change_nothing(world: World) -> None:
    world.wanted = InvalidInputError("session.yaml:1:1: no")
    world.reload.request()
    world.reload.step()
    assert (world.applied, world.settings.current) == ([], Settings())
    assert events(world.entries) == ["settings.refused"]
    assert world.steps == ["wake", "logs", "retry"], "the rest is done all the same"
