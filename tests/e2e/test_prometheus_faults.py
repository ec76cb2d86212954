"""A Prometheus that dies, seen by the users of a session: what stands in status, windows and exit codes."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from monitord.prometheus.process import find_binary
from tests.conftest import wait_until
from tests.e2e.conftest import Bench, read
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

WEB = "web.yaml"


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
