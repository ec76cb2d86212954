"""A changed prometheus.yml: swapped in, read back, put back when it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitord.errors import PassingError, PrometheusError
from monitord.prometheus.api.vitals import Vitals
from monitord.prometheus.config.config_rollout import POSTPONED_SECONDS, RETRY_SECONDS, Configuration
from monitord.prometheus.config.reload_outcome import PATIENCE_SECONDS
from tests.fakes.log import Entries, events, recording_log

OLD, NEW, BAD = b"old: {}\n", b"new: {}\n", b"bad: {}\n"


@dataclass
class World:
    """A Prometheus that loads at SIGHUP what the file says, unless it is bad."""

    configuration: Configuration
    entries: Entries
    trouble: list[Exception]
    now: float = 0.0
    vitals: Vitals = field(default_factory=lambda: Vitals(config_loaded=True, config_loaded_at=1.0))
    signals: int = 0
    answers: bool = True

    def hang_up(self) -> None:
        self.signals += 1
        if self.answers:
            good = self.path.read_bytes() != BAD
            at = 1.0 + self.signals if good else self.vitals.config_loaded_at
            self.vitals = Vitals(config_loaded=good, config_loaded_at=at)

    @property
    def path(self) -> Path:
        return self.configuration.path

    def advance(self, seconds: float = 0.2) -> None:
        self.now += seconds
        self.configuration.advance(self.vitals, self.now, self.hang_up, lambda: "it said so")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    def check(promtool: Path | None, config: Path) -> bool:
        if config.read_bytes() == b"nonsense\n":
            raise PrometheusError(f"promtool refused {config}: nonsense")
        if trouble:
            raise trouble[0]
        return True

    trouble: list[Exception] = []
    monkeypatch.setattr("monitord.prometheus.config.programs.check_config", check)
    log, entries = recording_log()
    found = Configuration(tmp_path / "prometheus.yml", tmp_path / "promtool", log, OLD)
    found.install(0.0)
    return World(found, entries, trouble)


def test_nothing_is_done_while_nothing_changes(world: World) -> None:
    world.advance()
    assert (world.signals, world.configuration.is_loading) == (0, False)


def test_a_change_is_loaded_and_read_back(world: World) -> None:
    world.configuration.wanted = NEW
    loading = []
    for _ in range(3):
        world.advance()
        loading.append(world.configuration.is_loading)
    assert loading == [True, False, False]
    assert world.path.read_bytes() == NEW
    assert (world.signals, events(world.entries)) == (1, ["prometheus.reloaded"])


def test_nothing_is_changed_before_it_is_known_what_is_loaded(world: World) -> None:
    world.configuration.wanted = NEW
    world.configuration.advance(None, 0.0, world.hang_up, str)
    assert (world.path.read_bytes(), world.signals) == (OLD, 0)


def test_what_promtool_refuses_is_never_seen(world: World) -> None:
    world.configuration.wanted = b"nonsense\n"
    for _ in range(5):
        world.advance()
    assert (world.path.read_bytes(), world.signals) == (OLD, 0)
    assert world.configuration.error == f"promtool refused {world.path}: nonsense"
    assert events(world.entries) == ["prometheus.config_refused"]


def test_what_prometheus_refuses_is_put_back(world: World) -> None:
    world.configuration.wanted = BAD
    for _ in range(5):
        world.advance()
    assert (world.path.read_bytes(), world.signals) == (OLD, 2)
    assert world.vitals.config_loaded
    assert world.configuration.error == (
        "Prometheus refused the new configuration, the old one stays in force: it said so"
    )
    assert not world.configuration.is_loading


def test_what_was_refused_is_tried_again_after_a_while_and_told_once(world: World) -> None:
    world.configuration.wanted = BAD
    while world.now < 3.5 * RETRY_SECONDS:
        world.advance(1.0)
    assert world.signals == 2 * 4
    assert events(world.entries) == ["prometheus.config_refused"]


def test_something_else_is_tried_at_once_and_clears_the_error(world: World) -> None:
    world.configuration.wanted = BAD
    for _ in range(5):
        world.advance()
    world.configuration.wanted = NEW
    for _ in range(3):
        world.advance()
    assert (world.path.read_bytes(), world.configuration.error) == (NEW, "")


def test_one_that_does_not_say_has_the_old_one_put_back(world: World) -> None:
    world.answers = False
    world.configuration.wanted = NEW
    world.advance()
    world.advance(PATIENCE_SECONDS)
    assert world.path.read_bytes() == OLD
    world.advance(PATIENCE_SECONDS)
    assert "reloading the old configuration failed too" in world.configuration.error
    assert "prometheus.reload_failed" in events(world.entries)


def test_one_that_ends_while_it_loads_starts_with_what_worked(world: World) -> None:
    world.answers = False
    world.configuration.wanted = NEW
    world.advance()
    assert world.path.read_bytes() == NEW
    world.configuration.install(world.now)
    assert world.path.read_bytes() == OLD
    assert "ended while it loaded" in world.configuration.error
    world.advance()
    assert world.path.read_bytes() == OLD


def test_a_start_takes_what_is_wanted_by_then(world: World) -> None:
    world.configuration.wanted = NEW
    world.configuration.install(world.now)
    assert world.path.read_bytes() == NEW
    world.configuration.wanted = b"nonsense\n"
    world.configuration.install(world.now)
    assert world.path.read_bytes() == NEW
    assert "nonsense" in world.configuration.error


def test_the_first_one_must_be_good(tmp_path: Path, world: World) -> None:
    log, _ = recording_log()
    first = Configuration(tmp_path / "first.yml", tmp_path / "promtool", log, b"nonsense\n")
    with pytest.raises(PrometheusError, match="nonsense"):
        first.install(0.0)


@pytest.mark.parametrize("trouble", [PassingError("promtool was killed"), OSError(28, "No space left")])
def test_what_cannot_be_checked_now_is_put_off_and_not_refused(world: World, trouble: Exception) -> None:
    world.trouble.append(trouble)
    world.configuration.wanted = NEW
    for _ in range(3):
        world.advance(POSTPONED_SECONDS)
    assert world.path.read_bytes() == OLD
    assert "not in force yet" in world.configuration.error
    assert events(world.entries) == ["prometheus.config_put_off"]
    world.trouble.clear()
    world.advance(POSTPONED_SECONDS)
    world.advance()
    assert world.path.read_bytes() == NEW
    assert world.configuration.error == ""


def test_one_that_cannot_be_checked_now_starts_with_what_worked(world: World) -> None:
    world.trouble.append(PassingError("no process"))
    world.configuration.wanted = NEW
    world.configuration.install(world.now)
    assert world.path.read_bytes() == OLD
    world.trouble.clear()
    world.configuration.install(world.now + POSTPONED_SECONDS)
    assert world.path.read_bytes() == NEW
    assert world.configuration.error == ""
