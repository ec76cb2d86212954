"""As systemd runs it: told of what it does, pinged by its own loop, reloaded."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitord.session.lease import HEARTBEAT_SECONDS
from monitord.session.settings import render_settings
from tests.conftest import wait_until
from tests.e2e.conftest import PATIENCE, Bench
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real


@dataclass
class Systemd:
    """Where a service tells how it is."""

    address: str
    listening: socket.socket
    lines: list[str] = field(default_factory=list)

    def told(self, line: str) -> int:
        """Return how often a line was told so far."""
        while True:
            try:
                self.lines += self.listening.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.lines.count(line)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield Systemd(str(tmp_path / "notify"), listening)


def test_systemd_is_told_and_fed_by_the_loop_itself(bench: Bench, systemd: Systemd) -> None:
    daemon = bench.run(ready=False, NOTIFY_SOCKET=systemd.address)
    wait_until(lambda: systemd.told("READY=1"), "READY", PATIENCE)
    assert bench.count("prometheus.ready", 1), "not before Prometheus answers"
    wait_until(lambda: systemd.told(f"STATUS=ready; {bench.daemon['prometheus']['url']}"), "its status")
    pings = systemd.told("WATCHDOG=1")
    wait_until(lambda: systemd.told("WATCHDOG=1") > pings + 1, "pings", 3 * HEARTBEAT_SECONDS)
    daemon.send_signal(signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    pings, begun = systemd.told("WATCHDOG=1"), time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 2 * HEARTBEAT_SECONDS, "two heartbeats' time")
    assert systemd.told("WATCHDOG=1") == pings, "a daemon that hangs is not fed"
    daemon.send_signal(signal.SIGCONT)
    wait_until(lambda: systemd.told("WATCHDOG=1") > pings, "pings again")
    assert not systemd.told("STOPPING=1")
    daemon.terminate()
    assert daemon.wait(40) == 0
    assert systemd.told("STOPPING=1") == 1
    assert systemd.told("READY=1") == 1


def test_a_reload_opens_the_log_and_takes_up_the_settings(
    bench: Bench, systemd: Systemd, exporter: FakeExporter
) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    daemon = bench.run(NOTIFY_SOCKET=systemd.address)
    bench.drop("c1.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
    bench.wait_up("c1.yaml")
    aside = bench.session.log_file.rename(bench.session.logs / "monitord.jsonl.1")
    settings = {
        "session": "bench", "scrape_interval": "2s", "prometheus.port": 0, "prometheus.retention": "3d",
        "prometheus.limits.samples": 123, "windows.settle_timeout": "8s", "windows.min_coverage": 0.1,
    }  # fmt: skip
    bench.session.settings_file.write_bytes(render_settings(settings))
    daemon.send_signal(signal.SIGHUP)
    wait_until(bench.session.log_file.exists, "a new log file")
    (line,) = wait_until(lambda: bench.log("settings.reloaded"), "the settings")
    assert set(line["changed"]) == {"scrape_interval", "prometheus.limits.samples", "windows.min_coverage"}
    assert line["needs_restart"] == ["prometheus.retention"]
    wait_until(lambda: bench.log("prometheus.reloaded"), "Prometheus to take them up")
    loaded = bench.ask("/api/v1/status/config")["data"]["yaml"]
    assert "sample_limit: 123" in loaded
    assert "scrape_interval: 2s" in loaded
    assert "settings.reloaded" not in aside.read_text()
    wait_until(lambda: systemd.told("RELOADING=1") == 1 and systemd.told("READY=1") == 2, "the end of it")
    # Coverage is judged by the new interval, and what it must be as well.
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 5, "the time to pass")
    bench.mark("w1.stop")
    assert bench.wait_window("w1")["state"] == "done"
    (row,) = bench.table("w1", "coverage.csv")
    assert int(row["expected_scrapes"]) in {2, 3}
    assert bench.manifest("w1")["prometheus"]["scrape_interval_seconds"] == 2


def test_broken_settings_change_nothing_and_are_told_with_their_place(bench: Bench) -> None:
    daemon = bench.run()
    before = bench.session.prometheus_config.read_bytes()
    valid = bench.session.settings_file.read_text()
    bench.session.settings_file.write_text(
        "session: bench\nscrape_interval: 9s\nwindows:\n  min_coverage: 7\n"
    )
    daemon.send_signal(signal.SIGHUP)
    (line,) = wait_until(lambda: bench.log("settings.refused"), "the refusal")
    assert line["reason"].startswith(f"{bench.session.settings_file}:4:17: windows.min_coverage: ")
    assert daemon.poll() is None
    bench.session.settings_file.write_text(valid)
    daemon.send_signal(signal.SIGHUP)
    (line,) = wait_until(lambda: bench.log("settings.reloaded"), "the next try")
    assert (line["changed"], line["needs_restart"]) == ([], [])
    assert bench.session.prometheus_config.read_bytes() == before


def allowed(analyze: str, *groups: str) -> set[str]:
    """Return the system calls of systemd's groups, by the list that its own program prints."""
    told = subprocess.run([analyze, "syscall-filter", *groups], capture_output=True, text=True, check=True)
    names = [line.strip() for line in told.stdout.splitlines() if not line.lstrip().startswith("#")]
    inner = [name for name in names if name.startswith("@") and name not in groups]
    calls = {name for name in names if name and not name.startswith("@")}
    return calls | (allowed(analyze, *inner) if inner else set())


def test_the_units_let_it_call_what_it_calls(bench: Bench, exporter: FakeExporter) -> None:
    strace, analyze = shutil.which("strace"), shutil.which("systemd-analyze")
    if strace is None or analyze is None:
        pytest.skip("no strace or no systemd-analyze in $PATH: make tools")
    exporter.expose(counter("http_requests_total", 7.0))
    counts = bench.root / "calls"
    bench.traced = (strace, "-f", "--seccomp-bpf", "-c", "-o", str(counts))
    daemon = bench.run(ready=False)
    wait_until(lambda: bench.daemon.get("phase") == "ready", "it to be ready", PATIENCE)
    bench.drop("c1.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
    bench.wait_up("c1.yaml")
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    bench.mark("w1.stop")
    assert bench.wait_window("w1")["state"] == "done"
    os.kill(bench.daemon["pid"], signal.SIGTERM)
    assert daemon.wait(60) == 0
    called = {line.split()[-1] for line in counts.read_text().splitlines() if line[:1] in " 0123456789"}
    called -= {"total", "syscall", "usecs/call"}
    assert {"prctl", "execve", "epoll_pwait"} <= called, "Prometheus's are among them"
    assert called - (allowed(analyze, "@system-service") - allowed(analyze, "@privileged")) == set()
