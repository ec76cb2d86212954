"""The real binary as monitord's child: found, checked, started, stopped, never left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from monitord.errors import PrometheusError
from monitord.prometheus.api.version import OLDEST_SUPPORTED, Build, Version
from monitord.prometheus.child.process import PrometheusProcess
from monitord.prometheus.config.programs import check_config, install_config
from monitord.prometheus.config.render_config import render_config
from monitord.session.settings import LimitSettings
from monitord.system.children import child_environment
from monitord.system.logs import LogFile
from tests.conftest import wait_until
from tests.integration.prometheus.conftest import Server

pytestmark = pytest.mark.real

REPOSITORY = Path(__file__).parents[3]


def serving(process: PrometheusProcess) -> str:
    return wait_until(process.listening_url, "Prometheus to listen")


def is_gone(pid: int) -> bool:
    """Say whether no such process is left; one that only waits to be reaped has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] in {"Z", "X"}


def test_the_build_says_what_it_is(build: Build) -> None:
    assert OLDEST_SUPPORTED <= build.version < Version(4, 0, 0)
    assert "--web.listen-address" in build.help_text


@pytest.mark.parametrize("interval", [0.1, 1.0, 5.0, 90.0])
def test_promtool_accepts_what_is_rendered(
    build: Build, promtool: Path, tmp_path: Path, interval: float
) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_bytes(render_config(tmp_path, interval, LimitSettings(), build.version))

    assert check_config(promtool, config)


def test_promtool_refuses_in_its_own_words_and_the_old_file_stands(promtool: Path, tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    assert install_config(config, b"global: {scrape_interval: 1s}\n", promtool)

    with pytest.raises(PrometheusError, match="scrape_intervall not found"):
        install_config(config, b"global: {scrape_intervall: 1s}\n", promtool)

    assert config.read_bytes() == b"global: {scrape_interval: 1s}\n"
    assert list(tmp_path.iterdir()) == [config]


def test_promtool_accepts_the_web_config(server: Server, promtool: Path) -> None:
    command = [str(promtool), "check", "web-config", str(server.folder / "web.yml")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_it_is_known_as_ours_on_every_address(server: Server) -> None:
    url = serving(server.start("0.0.0.0:0"))
    for host in ("127.0.0.1", "localhost", socket.gethostbyname(socket.gethostname())):
        with server.client(url.replace("127.0.0.1", host)) as client:
            wait_until(client.ready, f"it to be ready on {host}")


def test_it_serves_on_a_free_port_for_the_password_only(server: Server) -> None:
    process = server.start()
    url = serving(process)
    with server.client(url) as client:
        wait_until(client.ready, "Prometheus to be ready")
        assert not url.endswith(":0")
        assert client.query("vector(1)").series[0].value == 1.0
        assert client.build_info()["version"].startswith(str(server.build.version))
        assert client.flags()["web.enable-admin-api"] == "false"
        assert client.flags()["web.enable-lifecycle"] == "false"
    with server.client(url, password="wrong") as client:
        assert not client.ready()
        with pytest.raises(PrometheusError, match="HTTP 401"):
            client.query("up")


def test_it_serves_on_ipv6(server: Server) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    process = server.start("[::1]:0")
    with server.client(serving(process)) as client:
        wait_until(client.ready, "Prometheus to be ready")
        assert client.url.startswith("http://[::1]:")


def test_sigterm_ends_it_cleanly_and_frees_its_data(server: Server) -> None:
    process = server.start()
    serving(process)

    assert process.stop(10.0) == 0
    assert is_gone(process.pid)
    again = server.start(log="again.log")
    assert serving(again)


def test_a_stopped_process_ends_at_sigterm_too(server: Server) -> None:
    process = server.start()
    serving(process)
    os.kill(process.pid, signal.SIGSTOP)

    process.terminate()

    assert process.wait(10.0) == 0


def test_a_taken_port_ends_it_and_the_log_says_so(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = server.start(f"127.0.0.1:{taken.getsockname()[1]}")
        code = process.wait(20.0)

    assert code == 1
    assert "address already in use" in " ".join(process.errors())
    assert process.listening_url() is None


def test_the_log_of_an_earlier_run_is_not_taken_for_this_ones(server: Server) -> None:
    first = server.start()
    first_url = serving(first)
    first.stop(10.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        second = server.start(f"127.0.0.1:{taken.getsockname()[1]}")
        second.wait(20.0)

    assert first_url in f"http://{server.log.read_text()}".replace("address=", "http://")
    assert second.listening_url() is None


def test_a_second_instance_on_the_same_data_is_refused(server: Server) -> None:
    first = server.start()
    serving(first)

    second = server.start(log="second.log")

    assert second.wait(20.0) == 1
    assert "lock" in " ".join(second.errors())
    assert first.poll() is None


def test_it_inherits_no_secret_of_the_environment(server: Server) -> None:
    environment = {**os.environ, "SECRET_TOKEN": "x", "HTTP_PROXY": "http://proxy:1"}
    process = PrometheusProcess.start(
        server.argv(), LogFile(server.log, 0o600, max_bytes=2**24, kept=4).write, environment
    )
    server.processes.append(process)
    serving(process)

    seen = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")

    assert {entry.partition(b"=")[0].decode() for entry in seen if entry} <= set(
        child_environment(dict.fromkeys(os.environ, ""))
    )
    assert os.getsid(process.pid) == process.pid


PARENT = """
import json, sys, threading
from pathlib import Path
from monitord.system.logs import LogFile
from monitord.prometheus.child.process import PrometheusProcess
log = LogFile(Path(sys.argv[2]), 0o600, max_bytes=2**24, kept=4)
process = PrometheusProcess.start(json.loads(sys.argv[1]), log.write)
print(process.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("is_stopped", [False, True])
def test_it_does_not_outlive_a_parent_that_was_killed(server: Server, is_stopped: bool) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, json.dumps(server.argv()), str(server.log)],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    try:
        wait_until(lambda: "Listening on" in server.log.read_text(), "Prometheus to listen")
        assert Path(f"/proc/{pid}/comm").read_text() == "prometheus\n"
        if is_stopped:
            os.kill(pid, signal.SIGSTOP)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()

    try:
        wait_until(lambda: is_gone(pid), "Prometheus to be gone", 10.0)
    finally:
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)
