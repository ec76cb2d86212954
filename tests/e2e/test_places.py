"""Where a session's Prometheus keeps its data, what of them outlives the node, and how it is reached."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Bench
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

WEB = "web.yaml"


@pytest.fixture
def web(exporter: FakeExporter) -> str:
    exporter.expose(counter("http_requests_total", 7.0))
    return f"services: [{{name: web, endpoint: {exporter.url}}}]\n"


def node(bench: Bench, name: str) -> Path:
    """Return the scratch folder of another node."""
    path = bench.root / name
    path.mkdir(mode=0o700)
    return path


def test_a_session_that_goes_on_on_another_node_has_its_history(bench: Bench, web: str) -> None:
    first, second = node(bench, "node1"), node(bench, "node2")
    daemon = bench.run(SLURM_TMPDIR=str(first))
    data = Path(bench.daemon["prometheus"]["data"]["folder"])
    assert data.is_relative_to(first)
    assert "$SLURM_TMPDIR" in bench.daemon["prometheus"]["data"]["why_there"]
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert not bench.session.data.exists()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    opened = kept(bench)
    wait_until(lambda: kept(bench) >= opened + 6, "some scrapes in the window")
    before = kept(bench)
    daemon.terminate()
    assert daemon.wait(60) == 0
    assert [line["event"] for line in bench.log("prometheus.snapshot_taken")]
    assert not list(first.rglob("web.yml")), "what only a run needs went with it"
    bench.run(SLURM_TMPDIR=str(second))
    assert bench.count("prometheus.restored", 1)
    assert Path(bench.daemon["prometheus"]["data"]["folder"]).is_relative_to(second)
    wait_until(lambda: kept(bench) >= before, "its history")
    bench.wait_up(WEB)
    bench.mark("all.yaml", f"from: {bench.window('w1')['from']}\nto: {bench.window('w1')['to']}\n")
    assert bench.wait_window("all")["state"] == "done"
    assert bench.scrapes("all") >= 4


def kept(bench: Bench) -> float:
    result = bench.ask('/api/v1/query?query=count_over_time(up{job="web"}[1d])')["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def test_snapshots_after_windows_where_they_are_asked_for(bench: Bench, web: str) -> None:
    bench.run(MONITORD_PROMETHEUS_SNAPSHOTS="windows")
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    bench.mark("w1.stop")
    bench.wait_window("w1", "done")
    wait_until(lambda: bench.log("prometheus.snapshot_taken"), "a snapshot")
    (folder,) = bench.session.snapshots.iterdir()
    wait_until(lambda: bench.daemon["prometheus"]["snapshot"] == str(folder), "it to be told")


def test_over_tls_all_is_as_without(bench: Bench, web: str) -> None:
    daemon = bench.run(MONITORD_PROMETHEUS_TLS_ENABLED="true")
    assert bench.daemon["prometheus"]["url"].startswith("https://127.0.0.1:")
    assert bench.daemon["prometheus"]["certificate"] == str(bench.session.certificate)
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    bench.mark("w1.stop")
    assert bench.wait_window("w1")["state"] == "done"
    key = bench.session.certificate_key.read_text().splitlines()[1]
    for path in bench.session.folder.rglob("*"):
        if path.is_file() and path != bench.session.certificate_key:
            assert key.encode() not in path.read_bytes(), path
    daemon.terminate()
    assert daemon.wait(40) == 0


def test_how_much_memory_it_may_take_is_told(bench: Bench) -> None:
    bench.run(SLURM_MEM_PER_NODE="1000")
    memory = bench.daemon["prometheus"]["memory"]
    assert (memory["limit_bytes"], memory["limit_source"]) == (750 * 1024 * 1024, "$SLURM_MEM_PER_NODE")
    wait_until(
        lambda: bench.daemon["prometheus"]["memory"]["pressure"] == "ok", "its pressure to be known", 30
    )
    pid = bench.daemon["prometheus"]["pid"]
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert f"GOMEMLIMIT={750 * 1024 * 1024}".encode() in environment
    assert os.getsid(pid) == pid
