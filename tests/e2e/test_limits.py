"""Some seconds without a free thread or process: nothing is disabled for good."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import PATIENCE, Bench
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

# No limit of processes holds for root. What is root's this user may use all the same: Python lies there, too.
CAPABILITIES = "+dac_override,+fowner"
AS_ANOTHER_USER = (
    "setpriv", "--reuid=54323", "--regid=54323", "--clear-groups", "--securebits=+no_setuid_fixup",
    f"--inh-caps={CAPABILITIES}", f"--ambient-caps={CAPABILITIES}",
)  # fmt: skip


def limit_processes(pid: int, most: int) -> None:
    """Limit the processes and threads that a process's user may have, as this process sees it."""
    limit = f"--nproc={'unlimited' if most == resource.RLIM_INFINITY else most}:"
    subprocess.run([*AS_ANOTHER_USER, "prlimit", limit, "--pid", str(pid)], check=True)


@pytest.fixture
def limited(bench: Bench) -> Bench:
    """A bench whose daemon is run by a user for whom limits hold."""
    if os.geteuid() != 0 or not (shutil.which("setpriv") and shutil.which("prlimit")):
        pytest.skip("needs root, setpriv and prlimit: to run a daemon as another user, and to limit it")
    bench.traced = AS_ANOTHER_USER
    return bench


def test_what_was_due_while_no_thread_could_be_started_is_done_once_one_can(
    limited: Bench, exporter: FakeExporter
) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    target = "services: [{name: web, endpoint: " + exporter.url + "}]\n"
    daemon = limited.run(MONITORD_WINDOWS_SETTLE_TIMEOUT="45s")
    limited.drop("a.yaml", target)
    limited.wait_up("a.yaml")
    limited.mark("w1.start")
    limited.wait_window("w1", "open")
    limit_processes(daemon.pid, 1)
    first = limited.daemon["prometheus"]["pid"]
    os.kill(first, signal.SIGKILL)
    limited.drop("b.yaml", target)
    limited.mark("w1.stop")
    said = lambda: "no thread can be started" in (limited.daemon["last_error"] or "")  # noqa: E731
    wait_until(said, "the daemon to say what it lacks", PATIENCE)
    assert limited.daemon["phase"] == "starting", "one that ended is not called ready"
    limit_processes(daemon.pid, resource.getrlimit(resource.RLIMIT_NPROC)[1])
    wait_until(lambda: limited.daemon["phase"] == "ready", "Prometheus to be there again", PATIENCE)
    limited.wait_up("a.yaml", "b.yaml")
    assert limited.wait_window("w1")["state"] == "done"
    assert "settle_timeout" not in {reason["code"] for reason in limited.manifest("w1")["reasons"]}
    wait_until(lambda: not limited.daemon["last_error"], "all to be well", PATIENCE)
    assert limited.daemon["prometheus"]["pid"] not in (None, first)
    assert daemon.poll() is None
