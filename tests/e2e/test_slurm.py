"""A session at home in Slurm: real jobs on a real cluster, with a real Prometheus."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Bench, S, Site, sites, target_of
from tests.fakes.exporter import FakeExporter, counter
from tests.slurm_cluster import SlurmCluster

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def site(tmp_path: Path, cluster: SlurmCluster) -> Iterator[Site]:
    with sites(tmp_path, cluster) as found:
        yield found


def test_the_whole_way_by_command_line(tmp_path: Path, cluster: SlurmCluster, exporter: FakeExporter) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    bench = Bench(tmp_path, "flow", more=cluster.environment)
    s = ("--session", "flow")
    try:
        bench.monitord("session-create", "--run-id", "flow", "--port", "0", "--scrape-interval", "500ms")
        bench.monitord("client-connect", *s, "--client-id", "c1", "--node", "127.0.0.1", "--label", "k=v")
        bench.monitord(
            "service-register", *s, "--client-id", "c1", "--name", "web", "--endpoint", exporter.url
        )
        started = bench.monitord("start", *s, "--partition", "short", "--time", "10")
        url = started.stdout.strip()
        assert url == bench.daemon["prometheus"]["url"]
        assert "submitted job" in started.stderr
        port = url.rpartition(":")[2]
        assert f"ssh -N -L {port}:127.0.0.1:{port}" in started.stderr
        bench.monitord("wait", *s, "--for", "target=c1+web.yaml")
        shown = json.loads(bench.monitord("status", *s, "-o", "json").stdout)
        [job] = shown["jobs"]
        assert (job["state"], job["nodelist"]) == ("RUNNING", "n1")
        assert 500 < shown["time_left_seconds"] < 600
        table = bench.monitord("status", *s).stdout
        assert f"job         {job['job_id']} RUNNING on n1" in table
        assert "time left   " in table
        again = bench.monitord("start", *s, "--partition", "short", code=3)
        assert "running already" in again.stderr
        bench.monitord("window", "run", *s, "--id", "w1", "--", "sleep", "4")
        manifest = bench.manifest("w1")
        assert manifest["slurm"]["job_id"] == job["job_id"]
        assert manifest["slurm"]["restart_count"] == 0
        out = tmp_path / "out"
        bench.monitord("collect", *s, "--run-id", "past", "--from-iso", manifest["window"]["from"],
                       "--to-iso", manifest["window"]["to"], "--out", out)  # fmt: skip
        assert (out / "MANIFEST.json").exists()
        bench.monitord("stop", *s)
        assert cluster.state(job["job_id"]) == "COMPLETED"
        assert bench.daemon["phase"] == "stopped"
        bench.monitord("delete", *s)
        assert not bench.session.folder.exists()
    finally:
        cluster.cancel_all()
        bench.end()


def test_a_partition_that_is_not_there_is_refused_with_what_helps(site: Site) -> None:
    refused = site.bench.monitord("start", *S, "--partition", "nosuch", code=6)
    assert "nosuch" in refused.stderr
    assert "sinfo" in refused.stderr
    assert not site.bench.session.submission.exists()


def test_a_job_that_waits_says_why_and_stop_takes_it_back(site: Site) -> None:
    late = site.bench.monitord("start", *S, "--sbatch-arg=--begin=now+1hour", "--timeout", "3s", code=3)
    assert "PENDING (BeginTime), expected to start 20" in late.stderr
    [job] = site.status()["jobs"]
    assert job["state"] == "PENDING"
    assert "has a job already" in site.bench.monitord("start", *S, code=3).stderr
    assert "in the queue" in site.bench.monitord("delete", *S, code=1).stderr
    site.bench.monitord("stop", *S)
    assert site.wait_over(job["job_id"]) == "CANCELLED"
    assert site.status()["jobs"] == []


def test_a_daemon_that_cannot_start_ends_the_wait_with_the_reason(site: Site) -> None:
    failed = site.bench.monitord("start", *S, "--prometheus-binary", "/nonexistent/prometheus", code=6)
    assert "ended before the daemon was ready (FAILED, exit code 6)" in failed.stderr
    assert "/nonexistent/prometheus" in failed.stderr


def test_a_crash_of_the_daemon_does_not_end_the_session(site: Site, exporter: FakeExporter) -> None:
    site.bench.drop("c1.yaml", target_of(exporter))
    job_id = site.start()
    site.bench.wait_up("c1.yaml")
    first = site.bench.daemon["pid"]
    site.bench.mark("w1.start")
    site.bench.wait_window("w1", "open")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: site.bench.daemon["pid"] != first, "another daemon")
    site.wait_ready(job_id)
    site.bench.wait_up("c1.yaml")
    site.bench.mark("w1.stop")
    assert site.bench.wait_window("w1")["state"] == "done"
    outages = site.bench.manifest("w1")["coverage"]["outages"]
    assert [outage["reason"] for outage in outages] == ["daemon_not_running"]
    assert site.cluster.state(job_id) == "RUNNING"


def test_what_is_open_when_the_job_is_cancelled_is_collected(site: Site, exporter: FakeExporter) -> None:
    """scancel ends Prometheus in the same moment: the daemon starts it once more, to read from it."""
    site.bench.drop("c1.yaml", target_of(exporter))
    job_id = site.start()
    site.open_a_window(exporter, "w1")
    site.bench.mark("w2.yaml", _since_the_start(site))
    site.bench.wait_window("w2", "settling", "collecting")
    site.cluster.run("scancel", job_id)
    assert site.wait_over(job_id) == "CANCELLED"
    status = site.bench.window("w1")
    assert (status["state"], status["verdict"], status["truncated"]) == ("done", "truncated", True)
    assert site.bench.scrapes("w1") >= 4
    assert site.bench.daemon["phase"] == "stopped"
    site.start()
    for window_id in ("w1", "w2"):
        assert site.bench.wait_window(window_id)["state"] == "done"
        site.bench.monitord("verify", site.bench.session.artifacts / window_id)
    assert len(site.bench.log("window.collected")) == 2


def test_slurms_warning_closes_windows_while_prometheus_runs(site: Site, exporter: FakeExporter) -> None:
    site.bench.drop("c1.yaml", target_of(exporter))
    job_id = site.start()
    site.open_a_window(exporter, "w1")
    site.cluster.run("scancel", "--batch", "--signal=USR1", job_id)
    assert site.wait_over(job_id) == "COMPLETED"
    assert site.bench.window("w1")["verdict"] == "truncated"
    assert site.bench.log("allocation.closing")[-1]["trigger"] == "signal"
    [exited] = site.bench.log("prometheus.exited")
    assert exited["code"] == 0


def test_a_session_is_handed_over_to_another_job(site: Site, exporter: FakeExporter) -> None:
    site.bench.drop("c1.yaml", target_of(exporter))
    first = site.start("--continue", "--time", "10")
    site.bench.wait_up("c1.yaml")
    second = wait_until(lambda: site.bench.daemon["successor_job_id"], "a successor")
    assert site.cluster.state(second) == "PENDING"
    assert "continues the session when the other job ends" in site.bench.monitord("status", *S).stdout
    site.cluster.run("scancel", "--batch", "--signal=USR1", first)
    site.wait_ready(second)
    site.bench.wait_up("c1.yaml")
    third = wait_until(lambda: site.bench.daemon["successor_job_id"], "a successor of the successor")
    assert third != second
    site.bench.mark("w1.yaml", _since_the_start(site))
    site.bench.wait_window("w1")
    [outage] = site.bench.manifest("w1")["coverage"]["outages"]
    assert outage["reason"] in ("daemon_not_running", "daemon_stopped")
    site.bench.monitord("stop", *S)
    for job_id in (second, third):
        site.wait_over(job_id)
    assert site.cluster.run("squeue", "--noheader") == ""


def _since_the_start(site: Site) -> str:
    """Return a marker for all of the session so far."""
    started = site.bench.log("daemon.started")[0]["timestamp"]
    return f"from: {started}\nto: {time.time()}\n"


def test_two_jobs_of_one_session_are_one_too_many(site: Site) -> None:
    script = Path(__file__).parents[2] / "slurm" / "monitord.sbatch"
    output = site.bench.root / "job-%j.out"
    jobs = [
        site.cluster.submit(
            f"--output={output}", script, "--root", site.bench.root, "--session", "bench",
            environment=site.bench.environment(MONITORD_PYTHON=sys.executable),
        )
        for _ in range(2)
    ]  # fmt: skip
    wait_until(lambda: site.bench.daemon.get("phase") == "ready", "one of them", 60)
    winner = site.bench.daemon["slurm_job_id"]
    [loser] = [job_id for job_id in jobs if job_id != winner]
    assert site.wait_over(loser) == "FAILED"
    assert "run by a daemon already" in (site.bench.root / f"job-{loser}.out").read_text()
    assert site.cluster.state(winner) == "RUNNING"
    assert len(site.bench.log("prometheus.started")) == 1


def test_the_controller_may_go_and_come_back(site: Site, exporter: FakeExporter) -> None:
    client = site.cluster.submit("--output=/dev/null", "--wrap=exec sleep 600")
    wait_until(lambda: site.cluster.state(client) == "RUNNING", "the client's job")
    site.bench.drop("c1.yaml", target_of(exporter) + f"slurm_job: {client}\n")
    job_id = site.start()
    site.bench.wait_up("c1.yaml")
    site.cluster.stop_controller()
    try:
        [job] = site.status()["jobs"]
        assert (job["job_id"], job["state"]) == (job_id, "unknown")
        assert "scontrol ping" in job["reason"]
        site.bench.monitord("window", "run", *S, "--id", "w1", "--", "sleep", "4")
        assert site.bench.manifest("w1")["status"] == "complete"
    finally:
        site.cluster.ensure_controller()
    assert site.bench.target("c1.yaml")["state"] == "accepted"
    assert site.status()["jobs"][0]["state"] == "RUNNING"
    site.bench.monitord("stop", *S)
    assert site.wait_over(job_id) == "COMPLETED"
