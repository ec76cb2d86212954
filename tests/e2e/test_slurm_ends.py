"""How allocations end: at their limit, by a requeue, and those of clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import S, Site, sites, target_of
from tests.fakes.exporter import FakeExporter
from tests.slurm_cluster import SlurmCluster

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.fixture
def site(tmp_path: Path, cluster: SlurmCluster) -> Iterator[Site]:
    with sites(tmp_path, cluster) as found:
        yield found


def test_before_its_time_limit_the_daemon_has_done_all_there_was_to_do(
    site: Site, exporter: FakeExporter
) -> None:
    """Slurm's own signal, before Slurm's own limit, which is a minute at least."""
    site.bench.drop("c1.yaml", target_of(exporter))
    job_id = site.start("--time", "1", "--sbatch-arg=--signal=B:USR1@15")
    site.open_a_window(exporter, "w1")
    site.bench.mark("w2.start")
    site.bench.wait_window("w2", "open")
    assert site.wait_over(job_id, 120) == "COMPLETED"
    for window_id in ("w1", "w2"):
        assert site.bench.window(window_id)["verdict"] == "truncated"
        site.bench.monitord("verify", site.bench.session.artifacts / window_id)
    [closing] = site.bench.log("allocation.closing")
    assert closing["trigger"] == "signal"
    assert site.bench.daemon["phase"] == "stopped"


@pytest.mark.soak
def test_a_limit_that_strikes_without_a_warning_costs_no_window(
    site: Site, exporter: FakeExporter, tmp_path: Path
) -> None:
    """The daemon knows of no end, and all processes get SIGTERM at once: what was open is collected.

    The short form is a cancelled job: Slurm ends it likewise.
    """
    mute = tmp_path / "mute"
    mute.mkdir()
    (mute / "squeue").write_text("#!/bin/sh\necho Unable to contact slurm controller >&2; exit 1\n")
    (mute / "squeue").chmod(0o755)
    path = f"{mute}:{site.bench.environment()['PATH']}"
    site.bench.drop("c1.yaml", target_of(exporter))
    flags = ("--time", "1", "--sbatch-arg=--signal=B:CONT@1")
    site.bench.monitord("start", *S, *flags, PATH=path)
    job_id = site.bench.daemon["slurm_job_id"]
    site.open_a_window(exporter, "w1")
    assert site.wait_over(job_id, 180) == "TIMEOUT"
    assert site.bench.log("allocation.closing") == []
    site.start("--time", "10")
    status = site.bench.wait_window("w1")
    assert (status["state"], status["verdict"]) == ("done", "truncated")
    assert site.bench.scrapes("w1") >= 20
    site.bench.monitord("verify", site.bench.session.artifacts / "w1")


def test_a_requeued_job_goes_on_with_its_session(site: Site, exporter: FakeExporter) -> None:
    site.bench.drop("c1.yaml", target_of(exporter))
    job_id = site.start("--time", "30")
    site.open_a_window(exporter, "w1")
    before = site.bench.target("c1.yaml")
    site.cluster.run("scontrol", "requeue", job_id)
    wait_until(lambda: site.cluster.state(job_id) == "PENDING", "the job to be queued again", 60)
    site.cluster.run("scontrol", "update", f"JobId={job_id}", "StartTime=now")
    site.wait_ready(job_id, restart_count=1, seconds=120)
    assert "restarts    1, as counted by Slurm" in site.bench.monitord("status", *S).stdout
    after = site.bench.target("c1.yaml")
    assert (after["in_force"], after["accepted_at"]) == (before["in_force"], before["accepted_at"])
    site.bench.wait_up("c1.yaml")
    site.bench.mark("w1.stop")
    wait_until(lambda: site.bench.window("w1").get("verdict") == "partial", "the whole window", 60)
    manifest = site.bench.manifest("w1")
    assert manifest["slurm"]["restart_count"] == 1
    assert [outage["reason"] for outage in manifest["coverage"]["outages"]] != []
    [row] = [row for row in site.bench.table("w1", "coverage.csv") if row["job"] == "web"]
    # From before and after the requeue, and less than there would have been without.
    assert row["first_seen"] < site.bench.log("daemon.started")[-1]["timestamp"] < row["last_seen"]
    assert int(row["scrapes"]) < int(row["expected_scrapes"])


def test_a_clients_targets_go_with_its_job(site: Site, exporter: FakeExporter) -> None:
    client = site.cluster.submit("--output=/dev/null", "--wrap=exec sleep 600")
    wait_until(lambda: site.cluster.state(client) == "RUNNING", "the client's job")
    site.bench.drop("c1.yaml", target_of(exporter) + f"slurm_job: {client}\n")
    site.start()
    site.bench.wait_up("c1.yaml")
    site.cluster.run("scancel", client)
    wait_until(lambda: site.bench.target("c1.yaml")["state"] == "withdrawn", "the withdrawal", 60)
    assert client in site.bench.target("c1.yaml")["reason"]
    assert (site.bench.session.targets / "c1.yaml").exists()
