"""What dies, and what must live on: no target lost, no window lost or collected twice, no number made up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import pytest

from monitord.prometheus.config.programs import find_binary
from monitord.session.lease import QUIET_SECONDS, STALE_SECONDS, read_holder
from monitord.system.atomic import TEMPORARY_PREFIX
from tests.conftest import wait_until
from tests.e2e.conftest import Bench
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

WEB = "c1.yaml"


@pytest.fixture
def web(exporter: FakeExporter) -> str:
    """Return a target file's content for an exporter that works."""
    exporter.expose(counter("http_requests_total", 7.0))
    return f"services: [{{name: web, endpoint: {exporter.url}}}]\n"


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def wait_seconds(seconds: float) -> None:
    """Let a window hold this much time: what is measured is the time itself."""
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > seconds, "the time to pass", seconds + 5)


def test_a_killed_daemon_takes_prometheus_along_and_the_next_one_goes_on(bench: Bench, web: str) -> None:
    first = bench.run()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    before, prometheus = bench.target(WEB), bench.daemon["prometheus"]["pid"]
    for window_id in ("open", "closed"):
        bench.mark(f"{window_id}.start")
        bench.wait_window(window_id, "open")
    wait_seconds(2)
    first.kill()
    first.wait()
    bench.mark("closed.stop")
    wait_until(lambda: is_gone(prometheus), "Prometheus to go with the daemon")
    assert "dead" in bench.monitord("status", "-s", "bench").stdout
    second = bench.run()
    after = bench.target(WEB)
    assert (after["in_force"], after["accepted_at"]) == (before["in_force"], before["accepted_at"])
    assert bench.wait_window("closed")["state"] == "done"
    assert bench.window("open")["state"] == "open"
    bench.mark("open.stop")
    bench.wait_window("open")
    assert bench.manifest("open")["status"] == "partial"
    (row,) = bench.table("open", "coverage.csv")
    assert float(row["longest_gap_s"]) > 1
    assert 0 < int(row["scrapes"]) < int(row["expected_scrapes"])
    # A third daemon finds nothing left to do.
    second.terminate()
    assert second.wait(40) == 0
    stamps = [bench.manifest(window_id)["collected"] for window_id in ("open", "closed")]
    third = bench.run()
    third.terminate()
    assert third.wait(40) == 0
    assert [bench.manifest(window_id)["collected"] for window_id in ("open", "closed")] == stamps
    assert sorted(line["window"] for line in bench.log("window.collected")) == ["closed", "open"]
    assert {path.name for path in bench.session.artifacts.iterdir()} == {"closed", "open"}


def test_a_killed_prometheus_is_started_again_and_the_window_tells_of_the_gap(
    bench: Bench, web: str, exporter: FakeExporter
) -> None:
    daemon = bench.run(MONITORD_WINDOWS_SETTLE_TIMEOUT="3s", MONITORD_WINDOWS_MIN_COVERAGE="0.95")
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    first = bench.daemon["prometheus"]["pid"]
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    wait_seconds(1)
    os.kill(first, signal.SIGKILL)
    scrapes = exporter.scrapes
    wait_until(lambda: bench.daemon["prometheus"]["pid"] not in (None, first), "a new Prometheus")
    wait_until(lambda: exporter.scrapes > scrapes + 3, "scrapes by the new one")
    second = bench.daemon["prometheus"]["pid"]
    # And once more just before the collection, which then waits for the next one.
    bench.mark("w1.stop")
    os.kill(second, signal.SIGKILL)
    bench.wait_window("w1")
    assert daemon.poll() is None
    assert bench.manifest("w1")["status"] == "partial"
    assert {"low_coverage"} <= {reason["code"] for reason in bench.manifest("w1")["reasons"]}
    (row,) = bench.table("w1", "coverage.csv")
    assert float(row["longest_gap_s"]) > 0.9
    assert 0 < int(row["scrapes"]) < int(row["expected_scrapes"])
    exits = bench.log("prometheus.exited")
    assert [line["code"] for line in exits] == [-9, -9]
    assert exits[0]["retry_seconds"] >= 1
    assert exits[1]["retry_seconds"] > exits[0]["retry_seconds"]
    assert bench.count("prometheus.ready", 3) == 3
    assert bench.count("window.collected", 1) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_and_collects_what_is_open(bench: Bench, web: str, number: signal.Signals) -> None:
    daemon = bench.run()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    prometheus = bench.daemon["prometheus"]["pid"]
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    wait_seconds(2)
    daemon.send_signal(number)
    assert daemon.wait(40) == 0
    assert is_gone(prometheus)
    assert bench.daemon["phase"] == "stopped"
    assert bench.daemon["prometheus"]["pid"] is None
    assert bench.window("w1")["state"] == "done"
    manifest = bench.manifest("w1")
    assert manifest["status"] == "truncated"
    assert "window_truncated" in {reason["code"] for reason in manifest["reasons"]}
    assert [line["code"] for line in bench.log("prometheus.exited")] == [0]
    assert bench.log()[-1]["event"] == "daemon.stopped"
    assert read_holder(bench.session.lease) is None
    bench.wait_alone()


def move_to(host: str, bench: Bench) -> None:
    """Have the holder of the session be of another host, for whoever looks at it from here."""
    (term,) = bench.session.lease.iterdir()
    term.write_text(json.dumps({**json.loads(term.read_text()), "host": host}))


def published(bench: Bench) -> dict[str, tuple[int, int]]:
    """Return the inode and time of every file that a daemon publishes; logs and Prometheus's own are none.

    Nor is a temporary file, which one that ends in the middle of a write may leave.
    """
    folders = (bench.session.status, bench.session.artifacts, bench.session.file_sd)
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    files = [file for file in files if not file.name.startswith(TEMPORARY_PREFIX)]
    files += [bench.session.prometheus_config]
    return {str(file): (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


def test_a_daemon_that_was_held_up_finds_its_session_taken_over_and_touches_nothing(
    bench: Bench, web: str
) -> None:
    first = bench.run()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    prometheus = bench.daemon["prometheus"]["pid"]
    assert bench.daemon["term"] == 1
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    first.send_signal(signal.SIGSTOP)
    move_to("mel0999", bench)
    # The second one waits until the heartbeat stood still for long enough, and for its Prometheus until
    # the data are free: the first one's still has them.
    second = bench.run(ready=False)
    wait_until(lambda: bench.daemon["term"] == 2, "the takeover", 60)
    wait_until(lambda: bench.log("watch.started")[1:], "the second daemon to run")
    second.send_signal(signal.SIGSTOP)  # so that whatever is published now is by the first
    bench.mark("w1.stop")
    bench.drop("late.yaml", web)
    before = published(bench)
    first.send_signal(signal.SIGCONT)
    assert first.wait(30) == 3
    assert is_gone(prometheus)
    assert published(bench) == before
    (superseded,) = bench.log("daemon.superseded")
    assert (
        f"took this session over while this one was held up: host {socket.gethostname()}, pid {second.pid}"
        in (superseded["reason"])
    )
    assert f"pid {second.pid}" in (bench.root / "daemon.out").read_text()
    second.send_signal(signal.SIGCONT)
    wait_until(lambda: bench.is_ready(second), "the second daemon to be ready", 60)
    assert bench.wait_window("w1")["state"] == "done"
    assert bench.manifest("w1")["term"] == 2
    assert bench.target("late.yaml")["state"] == "accepted"


def test_of_three_daemons_started_at_once_on_a_stale_lease_one_runs(bench: Bench) -> None:
    killed = bench.run()
    killed.kill()
    killed.wait()
    daemons = [bench.run(ready=False) for _ in range(3)]
    wait_until(lambda: [d.poll() for d in daemons].count(3) == 2, "two to give way")
    (left,) = [daemon for daemon in daemons if daemon.poll() is None]
    wait_until(lambda: bench.is_ready(left), "the third to be ready", 60)
    assert (bench.daemon["pid"], bench.daemon["term"]) == (left.pid, 2)
    left.terminate()
    assert left.wait(40) == 0


def test_a_daemon_whose_job_left_the_queue_is_not_waited_for_as_long(bench: Bench) -> None:
    squeue = bench.root / "squeue"
    squeue.write_text("#!/bin/sh\nexit 0\n")
    squeue.chmod(0o700)
    first = bench.run(SLURM_JOB_ID="7")
    first.kill()
    first.wait()
    move_to("mel0999", bench)
    begun = time.monotonic()
    bench.run(ready=False, PATH=f"{bench.root}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    wait_until(lambda: bench.daemon["term"] == 2, "the takeover", 60)
    assert QUIET_SECONDS <= time.monotonic() - begun < STALE_SECONDS


def test_a_drop_folder_that_was_made_anew_is_watched_again(bench: Bench, web: str) -> None:
    bench.run()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    shutil.rmtree(bench.session.targets)
    bench.session.targets.mkdir(mode=0o700)
    wait_until(lambda: len(bench.log("watch.started")) == 2, "a new watch")
    path = bench.drop("again.yaml", web)
    bench.wait_up("again.yaml")
    assert bench.target(WEB)["state"] == "withdrawn"
    before = bench.target("again.yaml")["in_force"]
    path.write_text(f"{web}labels: {{run: b}}\n")  # in place: only an event tells of it before the full scan
    wait_until(lambda: bench.target("again.yaml")["in_force"] != before, "the edit to be seen", 15)


def test_targets_vanish_with_their_slurm_job(bench: Bench, web: str) -> None:
    queue = bench.root / "queue"
    seven, eight = (f"{job}|{job}|{job}|RUNNING|1|2|mel0001|mel0001|p|None\n" for job in (7, 8))
    queue.write_text(seven + eight)
    squeue = bench.root / "squeue"
    squeue.write_text(f"#!/bin/sh\ncat {queue}\n")
    squeue.chmod(0o700)
    bench.run(PATH=f"{bench.root}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    bench.drop("seven.yaml", f"slurm_job: 7\n{web}")
    bench.drop("eight.yaml", f"slurm_job: 8\n{web}")
    bench.wait_up("seven.yaml", "eight.yaml")
    queue.write_text(eight)
    wait_until(lambda: bench.target("seven.yaml")["state"] == "withdrawn", "job 7 to be missed", 50)
    assert bench.target("seven.yaml")["reason"] == "Slurm job 7 has left the queue"
    assert bench.target("eight.yaml")["state"] == "accepted"


def test_a_name_that_cannot_be_a_windows_is_told(bench: Bench) -> None:
    bench.run()
    bench.mark("my run.start")
    status = bench.wait_window("my run", "failed")
    assert "'my run' is not a valid window name" in status["reason"]


def test_stop_by_command_then_delete(bench: Bench) -> None:
    bench.monitord("start", "--local", "-s", "bench", "--no-auth")
    assert bench.daemon["prometheus"]["password_file"] is None
    assert bench.ask("/api/v1/status/buildinfo", "")["status"] == "success"
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    ran = bench.monitord("stop", "-s", "bench")
    assert not ran.stdout
    assert "stopped" in ran.stderr
    bench.wait_alone()
    assert "stopped" in bench.monitord("status", "-s", "bench").stdout
    bench.monitord("stop", "-s", "bench")
    kept = bench.monitord("delete", "-s", "bench", "--keep-artifacts")
    assert kept.stdout == f"{bench.session.artifacts}\n"
    assert [path.name for path in bench.session.folder.iterdir()] == ["artifacts"]
    assert (bench.session.artifacts / "w1" / "MANIFEST.json").exists()


def test_delete_leaves_nothing(bench: Bench) -> None:
    assert not bench.monitord("delete", "-s", "bench").stdout
    assert not bench.session.folder.exists()
    bench.monitord("delete", "-s", "bench", code=1)


def test_a_taken_port_is_told_and_waited_for(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = bench.run("--port", str(port), ready=False)
        wait_until(lambda: bench.daemon.get("last_error"), "the error to be told")
        assert "address already in use" in bench.daemon["last_error"]
        assert str(port) in bench.daemon["last_error"]
        ran = bench.monitord("wait", "-s", "bench", "--for", "ready", "--timeout", "100ms", code=3)
        assert "address already in use" in ran.stderr
        assert "address already in use" in bench.monitord("status", "-s", "bench").stdout
    wait_until(lambda: bench.is_ready(daemon), "the daemon to be ready once the port is free", 60)
    assert bench.daemon["prometheus"]["url"] == f"http://127.0.0.1:{port}"
    assert bench.daemon["last_error"] is None


def slow_prometheus(folder: Path) -> Path:
    """Write a Prometheus that never comes up."""
    script = folder / "slow-prometheus"
    script.write_text(
        f'#!/bin/sh\ncase "$1" in --version|--help) exec {find_binary()} "$@";; esac\nexec sleep 600\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def test_a_signal_before_prometheus_is_up_leaves_the_window_to_the_next_daemon(
    bench: Bench, web: str
) -> None:
    first = bench.run()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    wait_seconds(2)
    first.kill()
    first.wait()
    slow = bench.run("--prometheus-binary", str(slow_prometheus(bench.root)), ready=False,
                     MONITORD_SHUTDOWN_TIMEOUT="2s")  # fmt: skip
    wait_until(lambda: bench.daemon["pid"] == slow.pid and bench.daemon["prometheus"]["pid"], "its child")
    wait_until(lambda: len(bench.log("prometheus.started")) == 2, "its child")
    wait_seconds(1)  # until it has seen the marker, which nothing tells
    slow.terminate()
    assert slow.wait(30) == 0
    assert bench.daemon["phase"] == "stopped"
    assert bench.window("w1")["state"] == "settling"
    bench.wait_alone()
    end = bench.window("w1")["to"]
    bench.run(MONITORD_WINDOWS_MIN_COVERAGE="0.95")
    assert bench.wait_window("w1")["state"] == "done"
    manifest = bench.manifest("w1")
    assert (manifest["status"], manifest["window"]["to"]) == ("truncated", end)
    assert "low_coverage" in {reason["code"] for reason in manifest["reasons"]}


def test_a_signal_while_it_starts_ends_it(bench: Bench) -> None:
    daemon = bench.run(ready=False)
    wait_until(lambda: bench.daemon.get("pid") == daemon.pid, "the first heartbeat")
    daemon.terminate()
    assert daemon.wait(30) == 0
    assert bench.daemon["phase"] == "stopped"
    bench.wait_alone()


@pytest.mark.parametrize(
    ("content", "said"), [("#!/bin/sh\necho hello\n", "is not Prometheus"), (None, "not an executable file")]
)
def test_an_unusable_prometheus_ends_with_6(bench: Bench, content: str | None, said: str) -> None:
    binary = bench.root / "prometheus"
    if content:
        binary.write_text(content)
        binary.chmod(0o700)
    ran = bench.monitord("run", "-s", "bench", code=6, MONITORD_PROMETHEUS=str(binary))
    assert said in ran.stderr
    assert "MONITORD_PROMETHEUS" in ran.stderr
    assert bench.daemon["phase"] == "failed"
    started = bench.monitord("start", "--local", "-s", "bench", code=6, MONITORD_PROMETHEUS=str(binary))
    assert said in started.stderr
    assert not started.stdout
    bench.wait_alone()


def test_start_that_does_not_get_ready_in_time_ends_with_3(bench: Bench) -> None:
    binary = str(slow_prometheus(bench.root))
    ran = bench.monitord(
        "start", "--local", "-s", "bench", "--prometheus-binary", binary, "--timeout", "2s", code=3
    )
    assert "timed out after 2s" in ran.stderr
    bench.monitord("stop", "-s", "bench")
    bench.wait_alone()


def test_no_daemon_is_told(bench: Bench) -> None:
    assert "never started" in bench.monitord("status", "-s", "bench").stdout
    bench.monitord("wait", "-s", "bench", "--for", "ready", "--timeout", "300ms", code=3)
    assert "no running daemon" in bench.monitord("stop", "-s", "bench").stderr
    times = ("--from-iso", "2026-01-01T09:00:00Z", "--to-iso", "2026-01-01T10:00:00Z")
    assert "no running daemon" in bench.monitord("collect", "-s", "bench", *times, code=3).stderr
    assert not list(bench.session.windows.iterdir())


def test_ctrl_c_ends_a_command_with_130(bench: Bench) -> None:
    process = bench.start("wait", "-s", "bench", "--for", "ready")
    wait_until(lambda: sleeps(process.pid), "the command to wait")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130


def sleeps(pid: int) -> bool:
    """Say whether a process waits in its poll loop: in the kernel's clock_nanosleep."""
    return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()
