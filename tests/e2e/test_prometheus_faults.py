"""A Prometheus that dies, seen by the users of a session: what stands in status, windows and exit codes."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from monitord.prometheus.config.programs import find_binary
from tests.conftest import wait_until
from tests.e2e.conftest import Bench, read
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

WEB = "web.yaml"
ROUNDS = int(os.environ.get("MONITORD_TEST_ROUNDS", "3"))  # `make soak` asks for a hundred


@pytest.fixture
def web(exporter: FakeExporter) -> str:
    exporter.expose(counter("http_requests_total", 7.0))
    return f"services: [{{name: web, endpoint: {exporter.url}}}]\n"


def breakable_prometheus(folder: Path) -> tuple[Path, Path]:
    """Write a Prometheus that fails at every start but while a file is there; return it and that file."""
    mended, script = folder / "mended", folder / "breakable-prometheus"
    script.write_text(
        f'#!/bin/sh\ncase "$1" in --version|--help) exec {find_binary()} "$@";; esac\n'
        f'[ ! -e {mended} ] || exec {find_binary()} "$@"\n'
        "echo 'ts=0 level=error msg=\"it is broken\"'\nexit 3\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script, mended


def test_one_that_is_given_up_leaves_the_daemon_alive_and_sighup_has_it_tried_again(
    bench: Bench, web: str
) -> None:
    binary, mended = breakable_prometheus(bench.root)
    daemon = bench.run("--prometheus-binary", str(binary), ready=False, MONITORD_PROMETHEUS_MAX_FAILURES="2")
    wait_until(lambda: bench.daemon.get("phase") == "degraded", "it to be given up")
    assert bench.daemon["prometheus"]["state"] == "fatal"
    ran = bench.monitord("wait", "-s", "bench", "--for", "ready", code=6)
    assert "given up after 2 failures in a row: Prometheus exited with 3: it is broken" in ran.stderr
    assert "SIGHUP" in bench.monitord("status", "-s", "bench").stdout
    bench.drop(WEB, web)
    wait_until(lambda: bench.target(WEB).get("state") == "accepted", "the target to be accepted")
    mended.touch()
    daemon.send_signal(signal.SIGHUP)
    bench.wait_up(WEB)
    assert bench.daemon["phase"] == "ready"
    assert bench.daemon["last_error"] is None


def test_one_that_hangs_holds_up_no_target_and_the_window_tells_of_it(bench: Bench, web: str) -> None:
    bench.run(MONITORD_PROMETHEUS_CHECK_INTERVAL="300ms", MONITORD_WINDOWS_SETTLE_TIMEOUT="3s")
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    first = bench.daemon["prometheus"]["pid"]
    os.kill(first, signal.SIGSTOP)
    bench.drop("more.yaml", f"client: more\n{web}")
    wait_until(lambda: bench.target("more.yaml").get("state") == "accepted", "another target", 5)
    assert bench.daemon["prometheus"]["pid"] == first, "it was noticed before it could hold anybody up"
    wait_until(lambda: len(bench.log("prometheus.ready")) == 2, "a new Prometheus", 60)
    bench.wait_up(WEB, "more.yaml")
    bench.mark("w1.stop")
    bench.wait_window("w1")
    (outage,) = read(bench.session.outages)["outages"]
    assert outage["reason"] == "prometheus_hung"
    manifest = bench.manifest("w1")
    assert manifest["coverage"]["outages"] == [outage]
    reasons = {reason["code"]: reason["message"] for reason in manifest["reasons"]}
    assert "prometheus_hung" in reasons["prometheus_outage"]
    assert manifest["status"] == "partial"
    assert bench.daemon["prometheus"]["outage"] is None


def test_the_time_without_a_daemon_is_an_outage_of_the_windows_that_it_touched(
    bench: Bench, web: str
) -> None:
    first = bench.run()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    first.kill()
    first.wait()
    bench.run()
    bench.wait_up(WEB)
    bench.mark("w1.stop")
    bench.wait_window("w1")
    (outage,) = bench.manifest("w1")["coverage"]["outages"]
    assert outage["reason"] == "daemon_not_running"
    assert outage["from"] < outage["to"]


def prometheuses(bench: Bench) -> list[int]:
    """Return the pids of every Prometheus of this session that lives."""
    return [pid for pid, command in bench.left().items() if "--storage.tsdb.path" in command]


def kept(bench: Bench) -> float:
    """Return how many scrapes of the target are kept."""
    path = '/api/v1/query?query=count_over_time(up{job="web"}[1d])'
    result = bench.ask(path)["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


@pytest.mark.timeout(120 + 30 * ROUNDS)
def test_round_after_round_of_kills_leaves_no_orphan_and_loses_no_target(bench: Bench, web: str) -> None:
    """Prometheus killed and the daemon killed, in turns; from time to time both."""
    daemon = bench.run()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    accepted = bench.target(WEB)["accepted_at"]
    for number in range(ROUNDS):
        before, pid = kept(bench), bench.daemon["prometheus"]["pid"]
        starts = len(bench.log("prometheus.started"))
        if number % 2 == 0:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda ended=number // 2 + 1: len(bench.log("prometheus.exited")) >= ended, "its exit")  # type: ignore[misc]
        if number % 2 == 1 or number % 8 == 0:
            daemon.kill()
            daemon.wait()
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "Prometheus to go along")  # type: ignore[misc]
            daemon = bench.run()
        else:
            daemon.send_signal(signal.SIGHUP)  # instead of waiting for the back-off
        wait_until(lambda starts=starts: len(bench.log("prometheus.started")) > starts, "a start")  # type: ignore[misc]
        wait_until(lambda: bench.daemon["phase"] == "ready", "it to be ready again")
        assert prometheuses(bench) == [bench.daemon["prometheus"]["pid"]]
        wait_until(lambda before=before: kept(bench) >= before, "what was kept")  # type: ignore[misc]
        bench.wait_up(WEB)
        assert bench.target(WEB)["accepted_at"] == accepted
    every = read(bench.session.outages)["outages"]
    assert len(every) == ROUNDS
    assert all(outage["to"] for outage in every)
