"""A session folder that hangs, as Lustre does: no call fails, none returns, until all do.

The process that serves the mount is stopped. What a test reads or writes meanwhile, it does behind the mount.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from monitord.daemon.stalls import STALLED_SECONDS
from monitord.session.lease import HEARTBEAT_SECONDS, highest_term
from monitord.system.timestamps import from_iso
from tests.conftest import wait_until
from tests.e2e.conftest import PATIENCE, Bench, benches
from tests.fakes.blind_mount import BlindMount, UnavailableError, blind_mount
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

# `make soak` has it hang for as long as Lustre does.
HANG_SECONDS = 300.0 if os.environ.get("MONITORD_TEST_ROUNDS") else STALLED_SECONDS + 2.0


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[BlindMount]:
    try:
        with blind_mount(tmp_path) as found:
            yield found
    except UnavailableError as error:
        pytest.skip(str(error))


@contextmanager
def daemon_of(mount: BlindMount, **environment: str) -> Iterator[Bench]:
    root = mount.backing / "sessions"
    root.mkdir()
    # The data as on a disk of the node; the rest of what Prometheus needs goes there by itself.
    data = str(mount.backing.parent / "data")
    fast = {"scrape_interval": "200ms", "shutdown_timeout": "2s", "watch__poll_interval": "200ms"}
    with benches(root, mount.mounted / "sessions", prometheus__data_dir=data, **fast) as bench:
        bench.more = environment
        bench.run()
        yield bench


def printed(bench: Bench, event: str) -> list[str]:
    return [line for line in (bench.root / "daemon.out").read_text().splitlines() if f'"{event}"' in line]


def prometheus_of(bench: Bench) -> int | None:
    children = psutil.Process(bench.started[0].pid).children()
    return next((child.pid for child in children if child.name() == "prometheus"), None)


def target(exporter: FakeExporter) -> str:
    return f"services: [{{name: web, endpoint: 'http://{exporter.address}/metrics'}}]\n"


class Systemd:
    """Whoever listens to what the daemon says of itself."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(self.address)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        try:
            while True:
                self.heard.append(self.socket.recv(65536).decode())
        except BlockingIOError:
            return self.heard


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    found = Systemd(tmp_path)
    yield found
    found.socket.close()


def test_while_it_hangs_prometheus_is_supervised_and_after_that_nothing_is_missed(
    mount: BlindMount, exporter: FakeExporter, systemd: Systemd
) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    with daemon_of(mount, NOTIFY_SOCKET=systemd.address) as bench:
        process = psutil.Process(bench.started[0].pid)
        bench.drop("first.yaml", target(exporter))
        bench.wait_up("first.yaml")
        start = bench.mark("run01.start")
        wait_until(lambda: bench.window("run01").get("state") == "open", "the window to be open", PATIENCE)
        with mount.hung():
            begun = time.monotonic()
            wait_until(lambda: printed(bench, "session_folder.stalled"), "the hang to be noticed", 30.0)
            systemd.listen().clear()
            threads = process.num_threads()
            stop = bench.mark("run01.stop")
            bench.drop("second.yaml", target(exporter).replace("web", "other"))

            killed = prometheus_of(bench)
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: prometheus_of(bench) not in (None, killed), "another Prometheus", PATIENCE)
            scrapes = exporter.scrapes
            wait_until(lambda: exporter.scrapes >= scrapes + 5, "it to scrape what was registered", PATIENCE)
            wait_until(lambda: time.monotonic() - begun > HANG_SECONDS, "the hang to last", 2 * HANG_SECONDS)
            assert process.num_threads() <= threads
            wait_until(
                lambda: any("WATCHDOG=1" in text and "has not answered" in text for text in systemd.listen()),
                "systemd to hear that it lives, and what is wrong", 3 * HEARTBEAT_SECONDS,
            )  # fmt: skip

        wait_until(lambda: bench.log("session_folder.resumed"), "its end to be logged", PATIENCE)
        bench.wait_up("first.yaml", "second.yaml")
        status = bench.wait_window("run01")
        assert (status["state"], status["verdict"], status["reason"]) == ("done", "complete", "")
        for edge, marker in (("from", start), ("to", stop)):
            assert from_iso(status[edge]) == pytest.approx(marker.stat().st_mtime, abs=0.001)
        assert len(bench.log("window.collected")) == 1
        assert bench.ask("/api/v1/status/buildinfo")["status"] == "success", "the copy of the password is new"
        wait_until(lambda: bench.daemon["last_stall"]["to"], "the status to say how long it hung", PATIENCE)
        stall = bench.daemon["last_stall"]
        assert from_iso(stall["to"]) - from_iso(stall["from"]) >= STALLED_SECONDS
        # What was logged meanwhile is there, dated as it happened.
        [stalled], [resumed] = bench.log("session_folder.stalled"), bench.log("session_folder.resumed")
        [ended] = bench.log("prometheus.exited")
        assert stalled["timestamp"] < ended["timestamp"] < resumed["timestamp"]


@pytest.mark.parametrize("is_warned", [False, True])
def test_a_stop_meanwhile_ends_in_time_and_the_next_daemon_goes_on(
    mount: BlindMount, exporter: FakeExporter, is_warned: bool
) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    with daemon_of(mount) as bench:
        bench.drop("first.yaml", target(exporter))
        bench.wait_up("first.yaml")
        bench.mark("run01.start")
        wait_until(lambda: bench.window("run01").get("state") == "open", "the window to be open", PATIENCE)
        with mount.hung():
            wait_until(lambda: printed(bench, "session_folder.stalled"), "the hang to be noticed", 30.0)
            if is_warned:  # by Slurm: it closes windows in the time that is left, and SIGTERM ends that
                bench.started[0].send_signal(signal.SIGUSR1)
                wait_until(lambda: printed(bench, "allocation.closing"), "the warning to be heard", PATIENCE)
            bench.started[0].send_signal(signal.SIGTERM)
            assert bench.started[0].wait(PATIENCE) == 0
            assert prometheus_gone(bench)
        bench.mark("run01.stop")
        bench.run()
        status = bench.wait_window("run01")
        assert status["state"] == "done"
        assert len(bench.log("window.collected")) == 1
        bench.wait_up("first.yaml")


def prometheus_gone(bench: Bench) -> bool:
    return not any("prometheus" in command for command in bench.left().values())


def test_whose_session_was_taken_over_meanwhile_publishes_nothing(
    mount: BlindMount, exporter: FakeExporter
) -> None:
    with daemon_of(mount) as bench:
        bench.drop("first.yaml", target(exporter))
        wait_until(lambda: bench.target("first.yaml").get("state") == "accepted", "the file", PATIENCE)
        with mount.hung():
            wait_until(lambda: printed(bench, "session_folder.stalled"), "the hang to be noticed", 30.0)
            # As a daemon on another node does it, which the hang did not reach.
            term = highest_term(bench.session.lease)
            assert term is not None
            lease = json.loads((bench.session.lease / f"{term}.json").read_text())
            other = {**lease, "host": "another", "nonce": "other", "term": term + 1}
            (bench.session.lease / f"{term + 1}.json").write_text(json.dumps(other))
            for path in published(bench):
                path.write_text('{"of": "the other daemon"}\n')
            bench.drop("second.yaml", target(exporter).replace("web", "other"))
        assert bench.started[0].wait(PATIENCE) == 3
        assert {path.read_text() for path in published(bench)} == {'{"of": "the other daemon"}\n'}
        assert not bench.session.target_status("second.yaml").exists()


def published(bench: Bench) -> list[Path]:
    """Return what the daemon publishes, over and over."""
    session = bench.session
    folders = (session.target_statuses, session.window_statuses, session.file_sd)
    return [session.daemon_status, *(path for folder in folders for path in folder.glob("*.json"))]
