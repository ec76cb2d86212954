"""The real Prometheus under supervision: every way to die, and what is left standing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import pytest

from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api.client import PrometheusClient, connect
from monitord.prometheus.api.version import Build
from monitord.prometheus.api.vitals import Vitals
from monitord.prometheus.child.launch import prepare_launch
from monitord.prometheus.child.outage_log import OutageLog
from monitord.prometheus.child.outages import Outages
from monitord.prometheus.child.supervised import SupervisedPrometheus
from monitord.prometheus.data.data_folders import Made
from monitord.prometheus.data.data_location import Location
from monitord.session.held import HeldSession
from monitord.session.settings import PrometheusSettings, Settings
from monitord.system.clock import SystemClock
from tests.conftest import wait_until
from tests.fakes.exporter import FakeExporter, counter, gauge
from tests.fakes.guard import held_session
from tests.fakes.impostor import impostor
from tests.fakes.log import Entries, events, recording_log
from tests.fakes.small_disk import SmallDisk, small_disk
from tests.versions import VERSIONS, build_of

pytestmark = pytest.mark.real

SOAK = "MONITORD_TEST_ROUNDS" in os.environ
ROUNDS = int(os.environ.get("MONITORD_TEST_ROUNDS", "3"))  # `make soak` asks for a hundred


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on one version, in turn; on each version where it is a soak."""
    if "damage" in metafunc.fixturenames:
        cases = [(damage, version) for number, damage in enumerate(DAMAGES) for version in chosen(number)]
        cases.sort(key=lambda case: case[1])  # the data are written once for each
        metafunc.parametrize(("damage", "build"), cases, indirect=["build"], scope="module")
    elif "build" in metafunc.fixturenames:
        metafunc.parametrize("build", chosen(crc32(metafunc.function.__name__.encode())), indirect=True)


def chosen(number: int) -> tuple[str, ...]:
    return VERSIONS if SOAK else (VERSIONS[number % len(VERSIONS)],)


@pytest.fixture(scope="module")
def build(request: pytest.FixtureRequest) -> Build:
    return build_of(request.param)


@dataclass
class World:
    """A session's Prometheus and its main loop, run for as long as a test waits."""

    session: HeldSession
    prometheus: SupervisedPrometheus
    entries: Entries

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 40.0) -> Any:
        """Supervise until something is so; return it."""
        due = 0.0

        def turn() -> Any:
            nonlocal due
            if time.monotonic() >= due:
                pause = self.prometheus.supervise()
                due = time.monotonic() + (pause if pause is not None else 0.1)
            return condition()

        return wait_until(
            turn, f"{what}, {self.prometheus.status().document}, {self.prometheus.failure}", seconds
        )

    def ready(self) -> None:
        self.until(lambda: self.prometheus.is_ready, "Prometheus to be ready")

    def until_logged(self, event: str, count: int = 1) -> None:
        self.until(lambda: events(self.entries).count(event) >= count, f"{count} x {event}")

    def samples(self, promql: str = "count_over_time(http_requests_total[1h])") -> float:
        """Return the value of a query with one answer; 0 while there is none."""
        with self.prometheus.client() as client:
            series = client.query(promql).series
        return series[0].value if series else 0.0

    @property
    def outages(self) -> list[str]:
        return [outage.reason for outage in self.prometheus.outages.known.past]

    def keep_scraping(self, samples: int) -> None:
        """Wait until so many more samples are kept."""
        wanted = self.samples() + samples
        self.until(lambda: self.samples() >= wanted, f"{samples} more samples")

    def change(self, content: bytes, *, checked: bool = True) -> None:
        """Have it want another prometheus.yml, which promtool is asked about or not."""
        configuration = self.prometheus.configuration
        configuration.wanted = content
        if not checked:
            configuration.promtool = None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to what runs; return its pid."""
        pid = self.prometheus.pid
        assert pid is not None
        os.kill(pid, number)
        return pid

    def stop(self) -> None:
        self.prometheus.stop()
        self.until(lambda: self.prometheus.has_ended, "Prometheus to end")


@contextmanager
def supervised(session: HeldSession, exporter: FakeExporter, **settings: Any) -> Iterator[World]:
    """Supervise a session's Prometheus with one target; end it whatever happens."""
    given: dict[str, Any] = {"port": 0, "check_interval": "200ms", **settings}
    log, entries = recording_log()
    its_settings = Settings.model_validate(
        {"scrape_interval": "200ms", "prometheus": PrometheusSettings(**given)}
    )
    run_folder = Made(Location(session.root / "node" / "run", "a test"), ())
    launch = prepare_launch(session, its_settings, time.time(), run_folder)
    prometheus = SupervisedPrometheus(
        session, its_settings, SystemClock(), log, launch, OutageLog(Outages()), {},
        wake=lambda: None, post=lambda _: None, keep_line=lambda _: None,
    )  # fmt: skip
    target = f'[{{"targets": ["{exporter.address}"], "labels": {{"job": "web"}}}}]'
    (prometheus.launch.run_folder.file_sd / "targets-web.json").write_text(target)
    world = World(session, prometheus, entries)
    try:
        yield world
    finally:
        if prometheus.pid is not None:
            os.kill(prometheus.pid, signal.SIGKILL)
            wait_until(lambda: prometheus.pid is None, "it to end")


@pytest.fixture
def session(tmp_path: Path, exporter: FakeExporter) -> HeldSession:
    # Enough of it to fill a page of the write-ahead log within seconds.
    exporter.expose(
        counter("http_requests_total", 7.0), *(gauge(f"load_{number}", number / 7) for number in range(100))
    )
    found = held_session(tmp_path, "s")
    found.create(b"session: s\n")
    return found


@pytest.fixture
def world(session: HeldSession, exporter: FakeExporter, build: Build) -> Iterator[World]:
    with supervised(session, exporter, binary=str(build.binary)) as found:
        yield found


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 8 * 1024) as found:
        yield found


def test_whoever_has_the_port_of_one_that_ended_is_sent_nothing(world: World, tmp_path: Path) -> None:
    world.ready()
    assert world.prometheus.url is not None
    port = int(world.prometheus.url.rpartition(":")[2])
    with world.prometheus.client() as client, impostor(tmp_path, port) as other:
        assert client.query("vector(1)").series[0].value == 1.0
        world.kill()
        assert other.port == port
        with pytest.raises(PrometheusUnavailableError, match=r"has ended|nothing was sent"):
            client.query("vector(1)")
        # What threads and the reader of raw samples were handed, and what does not know of the end.
        with (
            connect(client.connection_info) as handed,
            pytest.raises(PrometheusUnavailableError, match="nothing was"),
        ):
            handed.query("vector(1)")
        assert not client.ready()
        world.until_logged("prometheus.ready", 2)  # on another port
        assert other.received == b""
    assert world.samples("vector(7)") == 7.0


def test_one_that_is_killed_is_started_again_and_keeps_all_it_had(world: World) -> None:
    world.ready()
    world.keep_scraping(3)
    url = world.prometheus.url
    for number in range(1, ROUNDS + 1):
        before, kept, pid = world.prometheus.launch.access.credentials, world.samples(), world.kill()
        world.until_logged("prometheus.exited", number)
        world.prometheus.retry()  # no need to wait for the back-off
        world.until_logged("prometheus.ready", number + 1)
        assert world.prometheus.pid != pid
        assert not Path(f"/proc/{pid}").exists()
        assert world.prometheus.url == url, "whoever uses it must look for it again"
        assert world.samples() >= kept
        assert world.outages == ["prometheus_exited"] * number
        assert before is not None
        with (
            PrometheusClient(url or "", (before.user, before.password)) as client,
            pytest.raises(PrometheusError, match="HTTP 401"),
        ):
            client.query("vector(1)")
    world.keep_scraping(1)


def test_one_that_is_killed_while_it_starts_is_started_again(world: World) -> None:
    world.until_logged("prometheus.started")
    world.kill(signal.SIGSTOP)  # so that it does not come further
    pid = world.kill()
    world.ready()
    assert world.prometheus.pid != pid
    assert not world.outages


def test_one_that_hangs_is_noticed_and_restarted_and_delays_nothing(world: World) -> None:
    world.ready()
    pid = world.kill(signal.SIGSTOP)
    longest = 0.0

    def turn() -> bool:
        nonlocal longest
        begun = time.monotonic()
        world.prometheus.supervise()
        longest = max(longest, time.monotonic() - begun)
        return events(world.entries).count("prometheus.ready") == 2

    wait_until(turn, "another Prometheus", 60)
    assert "prometheus.hung" in events(world.entries)
    assert longest < 1.0, "a look that hung held the loop up"
    assert not Path(f"/proc/{pid}").exists()
    assert world.outages == ["prometheus_hung"]


def script(folder: Path, build: Build, instead: str) -> tuple[Path, Path]:
    """Write a Prometheus that does something else `instead`, but while a file is there; return both."""
    mended, program = folder / "mended", folder / "prometheus"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in --version|--help) exec {build.binary} "$@";; esac\n'
        f'[ ! -e {mended} ] || exec {build.binary} "$@"\n{instead}\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program, mended


def test_one_that_always_fails_is_given_up_and_tried_again_when_asked(
    session: HeldSession, exporter: FakeExporter, build: Build, tmp_path: Path
) -> None:
    broken = "echo 'ts=0 level=error msg=\"it is broken\"'; exit 3"
    program, mended = script(tmp_path, build, broken)
    with supervised(session, exporter, binary=str(program), max_failures=2) as world:
        world.until_logged("prometheus.given_up")
        assert world.prometheus.has_given_up
        assert "given up after 2 failures in a row: Prometheus exited with 3: it is broken" in (
            world.prometheus.last_error
        )
        mended.touch()
        world.prometheus.retry()
        world.ready()
        assert world.prometheus.last_error == ""


def test_one_that_cannot_watch_its_targets_is_reported_and_restarted(
    session: HeldSession, exporter: FakeExporter, build: Build, tmp_path: Path
) -> None:
    # Prometheus then never reads file_sd, not even at its refresh interval, and says that it is ready.
    blinded = "echo 0 > /proc/sys/user/max_inotify_instances && exec "
    program, mended = script(
        tmp_path, build, f'exec unshare -Ur sh -c \'{blinded}{build.binary} "$@"\' sh "$@"'
    )
    probe = ["unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no user namespace with limits of its own can be had here")
    with supervised(session, exporter, binary=str(program)) as world:
        world.until_logged("prometheus.exited")
        (hung,) = [line for line in world.entries if line["event"] == "prometheus.hung"]
        assert "inotify" in hung["reason"]
        assert "inotify" in world.prometheus.last_error
        mended.touch()
        world.until_logged("prometheus.ready", 2)
        world.keep_scraping(1)
        assert world.prometheus.last_error == ""


def test_native_histograms_are_scraped_when_asked_for(
    session: HeldSession, exporter: FakeExporter, build: Build
) -> None:
    with supervised(session, exporter, binary=str(build.binary), native_histograms=True) as world:
        world.ready()
        with world.prometheus.client() as client:
            assert "native-histograms" in client.flags()["enable-feature"]
            keeps_classic = "scrape_classic_histograms: true" in client.config()
        warned = [text for text in world.prometheus.launch.warnings if "only the native form" in text]
    assert (keeps_classic, len(warned)) == ((False, 1) if build.version < (2, 45, 0) else (True, 0))


def test_a_taken_port_names_its_owner(session: HeldSession, exporter: FakeExporter, build: Build) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with supervised(session, exporter, binary=str(build.binary), port=port) as world:
            world.until_logged("prometheus.exited")
            assert f"port {port} is taken by " in world.prometheus.last_error
            assert f"pid {os.getpid()}," in world.prometheus.last_error
            taken.close()
            world.ready()
            assert world.prometheus.url == f"http://127.0.0.1:{port}"


def test_a_free_port_that_somebody_took_meanwhile_is_another_one(world: World) -> None:
    world.ready()
    port = urlsplit(world.prometheus.url).port
    assert port is not None
    world.kill(signal.SIGSTOP)
    world.kill()
    wait_until(lambda: world.prometheus.pid is None, "it to be gone")
    with socket.create_server(("127.0.0.1", int(port))):
        world.until_logged("prometheus.ready", 2)
        assert urlsplit(world.prometheus.url).port not in (None, port)


def test_two_never_run_on_one_data_folder(
    world: World, tmp_path: Path, exporter: FakeExporter, build: Build
) -> None:
    world.ready()
    other = held_session(tmp_path, "other")
    other.create(b"session: other\n")
    shared = str(world.prometheus.launch.storage.folder)
    with supervised(other, exporter, binary=str(build.binary), data_dir=shared) as second:
        second.until_logged("prometheus.exited", 2)
        assert "another Prometheus has this data folder open" in second.prometheus.last_error
        assert second.prometheus.launch.storage.set_asides() == ()
        world.stop()
        second.ready()


def test_a_changed_configuration_is_loaded_and_read_back(world: World) -> None:
    world.ready()
    config = world.prometheus.launch.run_folder.config
    world.change(config.read_bytes() + b"rule_files: [no-such-*.yml]\n")
    world.until_logged("prometheus.reloaded")
    with world.prometheus.client() as client:
        assert "no-such-" in client.config()
    world.keep_scraping(1)


def test_one_that_prometheus_refuses_is_put_back_without_a_gap(world: World) -> None:
    world.ready()
    world.keep_scraping(1)
    config, pid = world.prometheus.launch.run_folder.config, world.prometheus.pid
    before = config.read_bytes()
    world.change(b"scrape_configs: 7\n", checked=False)
    world.until_logged("prometheus.config_refused")
    assert (
        "Prometheus refused the new configuration, the old one stays in force" in world.prometheus.last_error
    )
    assert "cannot unmarshal" in world.prometheus.last_error
    assert config.read_bytes() == before
    world.until(
        lambda: (world.prometheus.observer.vitals or Vitals()).config_loaded, "the old one to hold again"
    )
    world.keep_scraping(2)
    assert world.prometheus.pid == pid
    assert not world.outages


def test_one_that_promtool_refuses_is_never_loaded(world: World) -> None:
    world.ready()
    before = world.prometheus.launch.run_folder.config.read_bytes()
    world.change(b"scrape_configs: 7\n")
    world.until_logged("prometheus.config_refused")
    assert "promtool refused" in world.prometheus.last_error
    assert world.prometheus.launch.run_folder.config.read_bytes() == before
    assert "prometheus.reloaded" not in events(world.entries)


def test_a_session_folder_that_is_away_costs_no_answer_and_no_sample(
    session: HeldSession, exporter: FakeExporter, build: Build, tmp_path: Path
) -> None:
    data = str(tmp_path / "data")
    with supervised(session, exporter, binary=str(build.binary), data_dir=data) as world:
        world.ready()
        world.keep_scraping(1)
        pid, away = world.prometheus.pid, tmp_path / "away"
        session.folder.rename(away)
        world.keep_scraping(3)
        away.rename(session.folder)
        world.keep_scraping(1)
        assert world.prometheus.pid == pid
        assert not world.outages


def test_what_is_read_at_every_request_is_put_back(world: World) -> None:
    world.ready()
    pid = world.prometheus.pid
    (world.prometheus.launch.run_folder.folder / "web.yml").unlink()
    with world.prometheus.client() as client:
        assert not client.ready()
        world.until(client.ready, "it to answer again")
    assert world.prometheus.pid == pid
    assert "prometheus.hung" not in events(world.entries)


def test_a_full_disk_is_noticed_and_nothing_that_was_kept_is_lost(
    session: HeldSession, exporter: FakeExporter, build: Build, disk: SmallDisk
) -> None:
    with supervised(session, exporter, binary=str(build.binary), data_dir=str(disk.folder / "data")) as world:
        world.ready()
        world.keep_scraping(10)
        disk.fill()
        filled = time.monotonic()
        world.until_logged("prometheus.unwritable")
        assert time.monotonic() - filled < 10
        assert world.prometheus.is_ready
        assert "what is scraped is lost" in world.prometheus.last_error
        kept = world.samples()
        disk.free()
        world.until_logged("prometheus.ready", 2)
        assert world.prometheus.last_error == ""
        world.keep_scraping(5)
        # Prometheus itself loses at its next start whatever it wrote after a write that had failed.
        kept += 5
        world.kill()
        world.until_logged("prometheus.ready", 3)
        assert world.samples() >= kept
        assert world.outages == [
            "data_unwritable", "prometheus_exited"
        ]  # fmt: skip
        assert world.prometheus.launch.storage.set_asides() == ()


def test_data_that_cannot_be_written_are_waited_for(
    session: HeldSession, exporter: FakeExporter, build: Build, disk: SmallDisk
) -> None:
    disk.set_read_only(True)
    with supervised(session, exporter, binary=str(build.binary), data_dir=str(disk.folder / "data")) as world:
        world.until_logged("prometheus.unwritable")
        assert "cannot be written: Read-only file system" in world.prometheus.last_error
        assert "prometheus.started" not in events(world.entries)
        disk.set_read_only(False)
        world.ready()
        world.keep_scraping(1)


def garbage_at_the_end_of_the_log(data: Path) -> None:
    with max((data / "wal").glob("0*")).open("r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.write(b"\xff" * 200)


def a_log_cut_short(data: Path) -> None:
    with max((data / "wal").glob("0*")).open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - 50)


def a_log_with_a_hole(data: Path) -> None:
    last = max((data / "wal").glob("0*"))
    shutil.copy(last, last.with_name(f"{int(last.name) + 2:08d}"))


def a_log_that_is_no_folder(data: Path) -> None:
    shutil.rmtree(data / "wal")
    (data / "wal").write_text("")


def bad_magic_in_the_head(data: Path) -> None:
    (data / "chunks_head").mkdir(exist_ok=True)
    (data / "chunks_head" / "000001").write_bytes(b"not chunks at all")


def an_empty_meta_file(data: Path) -> None:
    (data / "01ARZ3NDEKTSV4RRFFQ69G5FAV").mkdir()
    (data / "01ARZ3NDEKTSV4RRFFQ69G5FAV" / "meta.json").write_text("")


def garbage_in_the_query_log(data: Path) -> None:
    (data / "queries.active").write_bytes(b"\xff" * 20001)


def a_bad_checkpoint(data: Path) -> None:
    folder = data / "wal" / "checkpoint.00000000"
    folder.mkdir()
    (folder / "00000000").write_bytes(b"\xff" * 40_000)


@pytest.fixture(scope="module")
def written(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with some samples, from a run that ended cleanly."""
    session = held_session(tmp_path_factory.mktemp("written"), "s")
    session.create(b"session: s\n")
    with FakeExporter() as exporter:
        exporter.expose(counter("http_requests_total", 7.0))
        with supervised(session, exporter, binary=str(build.binary)) as world:
            world.ready()
            world.keep_scraping(3)
            world.stop()
            return world.prometheus.launch.storage.folder


DAMAGES = (
    garbage_at_the_end_of_the_log, a_log_cut_short, a_log_with_a_hole, a_log_that_is_no_folder,
    bad_magic_in_the_head, an_empty_meta_file, garbage_in_the_query_log, a_bad_checkpoint,
)  # fmt: skip


def test_damaged_data_are_recovered_or_kept_beside(
    session: HeldSession, exporter: FakeExporter, build: Build, written: Path, damage: Callable[[Path], None]
) -> None:
    data = session.prometheus / "data"
    shutil.copytree(written, data)
    damage(data)
    before = {path.name for path in data.iterdir()}
    with supervised(session, exporter, binary=str(build.binary)) as world:
        world.ready()
        asides = world.prometheus.launch.storage.set_asides()
        refused = damage in (a_log_with_a_hole, a_log_that_is_no_folder, bad_magic_in_the_head)
        assert len(asides) == refused
        for aside in asides:
            assert before <= {path.name for path in aside.iterdir()}, "deleted"
            assert "prometheus.data_set_aside" in events(world.entries)
