"""A session seen from another host whose clock is an hour off: what lives there is left alone."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.session import lease
from monitord.session.lease import Signs, acquire, highest_term, release
from monitord.system.fresh_listing import no_refresh
from monitord.system.timestamps import from_iso
from tests.conftest import wait_until
from tests.e2e.conftest import REPOSITORY, Bench, benches, sites
from tests.slurm_cluster import SlurmCluster

pytestmark = pytest.mark.real

HOST = "mel0999"
S = ("-s", "bench")
# What a job's Python begins with: a name and a clock of its own.
_IN_A_JOB = f"""
import ctypes, os
if "SLURM_JOB_ID" in os.environ:
    import socket, time
    assert ctypes.CDLL(None).unshare(0x04000000) == 0
    socket.sethostname("{HOST}")
    real = time.time
    time.time = lambda: real() - 3600
"""
_CLOCK = "import time\nreal = time.time\ntime.time = lambda: real() - 3600\n"


def refuse_without_a_name_of_its_own() -> None:
    tried = subprocess.run(
        ["unshare", "--uts", "hostname", HOST], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"no other host name can be had here: {tried.stderr.strip()}")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Bench]:
    """A session whose programs run on another host, with a clock of its own."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare in $PATH")
    refuse_without_a_name_of_its_own()
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(_CLOCK)
    with benches(tmp_path) as bench:
        bench.traced = ("unshare", "--uts", "sh", "-c", f'hostname {HOST}; exec "$@"', "sh")
        yield bench


def run_there(there: Bench) -> subprocess.Popen[bytes]:
    daemon = there.run(PYTHONPATH=f"{there.root / 'clock'}:{REPOSITORY}")
    assert there.daemon["host"] == HOST
    return daemon


def test_a_daemon_that_lives_is_neither_deleted_nor_doubled_nor_called_dead(there: Bench) -> None:
    daemon = run_there(there)
    assert time.time() - from_iso(there.daemon["updated_at"]) > 3000
    deleted = there.monitord("delete", "-s", "bench", code=1)
    assert f"session bench is running: host {HOST}, pid {daemon.pid}" in deleted.stderr
    stopped = there.monitord("stop", "-s", "bench", code=3)
    assert f"the daemon runs on {HOST}, pid {daemon.pid}; stop it there" in stopped.stderr
    started = there.monitord("start", "--local", "-s", "bench", code=3)
    assert "is running already" in started.stderr
    there.monitord("wait", "-s", "bench", "--for", "ready")
    shown = json.loads(there.monitord("status", "-s", "bench", "-o", "json").stdout)
    assert (shown["daemon"]["running"], shown["daemon"]["phase"]) == (True, "ready")
    assert daemon.poll() is None
    assert highest_term(there.session.lease) == 1


def test_a_daemon_that_can_write_no_file_is_not_taken_for_dead(there: Bench) -> None:
    """A full disk: no write of a single byte succeeds."""
    daemon = run_there(there)
    subprocess.run(["prlimit", "--pid", str(daemon.pid), "--fsize=0"], check=True)
    before = there.daemon["updated_at"]
    touched = there.session.daemon_status.stat().st_mtime_ns
    wait_until(lambda: there.session.daemon_status.stat().st_mtime_ns != touched, "a heartbeat", 30)
    assert "is running" in there.monitord("delete", "-s", "bench", code=1).stderr
    assert there.daemon["updated_at"] == before
    assert daemon.poll() is None


@pytest.mark.timeout(300)
def test_a_job_there_is_awaited_and_ended_as_one_whose_clock_is_right(
    tmp_path: Path, cluster: SlurmCluster
) -> None:
    refuse_without_a_name_of_its_own()
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(_IN_A_JOB)
    with sites(tmp_path, cluster) as site:
        site.bench.more = {**site.bench.more, "PYTHONPATH": f"{tmp_path / 'clock'}:{REPOSITORY}"}
        job_id = site.start("--time", "10")
        assert site.bench.daemon["host"] == HOST
        assert time.time() - from_iso(site.bench.daemon["updated_at"]) > 3000
        assert "is running already" in site.bench.monitord("start", *S, code=3).stderr
        assert f"is running: host {HOST}" in site.bench.monitord("delete", *S, code=1).stderr
        site.bench.monitord("stop", *S)
        # Told to end, and not cancelled: Prometheus was there until the daemon ended it.
        assert site.wait_over(job_id) == "COMPLETED"
        assert site.bench.daemon["phase"] == "stopped"
        assert len(site.bench.log("prometheus.started")) == 1


def test_what_died_there_is_deleted_once_its_heartbeat_has_stood_still(there: Bench) -> None:
    daemon = run_there(there)
    daemon.kill()
    daemon.wait()
    there.wait_alone()
    begun = time.monotonic()
    there.monitord("delete", "-s", "bench")
    assert time.monotonic() - begun >= lease.STALE_SECONDS
    assert not there.session.folder.exists()


def test_what_is_being_deleted_cannot_be_started(there: Bench) -> None:
    signs = Signs(lambda: None, time.sleep, refresh=no_refresh)
    mine = acquire(there.session.lease, socket.gethostname(), time.time(), signs, deletes=True)
    said = "this session is being deleted"
    daemon = there.run(ready=False)
    assert daemon.wait(30) == 3
    assert said in (there.root / "daemon.out").read_text()
    assert said in there.monitord("run", "-s", "bench", code=3).stderr
    assert said in there.monitord("start", "--local", "-s", "bench", code=3).stderr
    assert said in there.monitord("delete", "-s", "bench", code=1).stderr
    there.monitord("stop", "-s", "bench")  # which ends no delete: this process lives on
    release(there.session.lease, mine)
    there.monitord("delete", "-s", "bench")
    assert not there.session.folder.exists()
