"""The examples for clients, as jobs of a real cluster, beside a daemon that is one."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import REPOSITORY, S, Site, sites
from tests.slurm_cluster import SlurmCluster, free_ports

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

EXAMPLES = REPOSITORY / "slurm" / "examples"
# Counts its own scrapes, on the port that it is told.
SERVER = """\
import http.server, itertools, os
scrapes = itertools.count(1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"# TYPE http_requests_total counter\\nhttp_requests_total {next(scrapes) * 10}\\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def site(tmp_path: Path, cluster: SlurmCluster) -> Iterator[Site]:
    with sites(tmp_path, cluster) as found:
        yield found


def submit(site: Site, example: str, *options: str, ports: int = 1) -> str:
    """Submit an example with a server and a load of the tests' own; return the job's id."""
    server = site.bench.root / "server.py"
    server.write_text(SERVER)
    load = site.bench.root / "load"
    programs = {"monitord": f'{sys.executable} -m monitord "$@"', "load": "sleep 4"}
    for name, command in programs.items():
        (site.bench.root / name).write_text(f"#!/bin/sh\nexec {command}\n")
        (site.bench.root / name).chmod(0o755)
    environment = site.bench.environment()
    more = {
        "PATH": f"{site.bench.root}:{environment['PATH']}", "MONITORD_SESSION": "bench",
        "SERVE": f"{sys.executable} {server}", "BENCH": str(load), "PORT": str(first_free_port(ports)),
        "NODES": socket.gethostname(),
    }  # fmt: skip
    output = f"--output={site.bench.root}/%x-%j.out"
    return site.cluster.submit(*options, output, EXAMPLES / example, environment={**environment, **more})


def first_free_port(count: int) -> int:
    """Return a port with free ones after it."""
    while True:
        [port] = free_ports(1)
        if port + count < 65536:
            return port


def printed(site: Site) -> str:
    return "\n".join(file.read_text() for file in site.bench.root.glob("*.out"))


def test_a_client_registers_measures_and_leaves(site: Site) -> None:
    site.start()
    job_id = submit(site, "client.sbatch")
    state = site.wait_over(job_id, 120)
    assert state == "COMPLETED", printed(site)
    assert site.bench.window(f"bench-{job_id}")["state"] == "done"
    manifest = site.bench.manifest(f"bench-{job_id}")
    assert (manifest["status"], manifest["reasons"]) == ("complete", [])
    jobs = {target["labels"]["job"] for target in manifest["targets"]}
    assert jobs == {"web", "node"}
    wait_until(lambda: not list(site.bench.session.targets.iterdir()), "the drop folder to be empty")


def test_an_array_is_as_many_clients_at_once(site: Site) -> None:
    site.start()
    job_id = submit(site, "array.sbatch", ports=3)
    assert site.wait_over(job_id, 120) == "COMPLETED", printed(site)
    for size in (8, 16, 32):
        assert site.bench.window(f"sweep-{size}-{job_id}")["state"] == "done", printed(site)
        manifest = site.bench.manifest(f"sweep-{size}-{job_id}")
        assert (manifest["status"], manifest["reasons"]) == ("complete", [])
    assert list(site.bench.session.targets.iterdir()) == []


def test_a_job_that_is_cancelled_takes_its_targets_along(site: Site) -> None:
    site.start()
    job_id = submit(site, "client.sbatch")
    service = f"bench-{job_id}+web.yaml"
    wait_until(lambda: site.bench.window(f"bench-{job_id}").get("state") == "open", printed(site), 60)
    assert site.bench.target(service)["state"] == "accepted"
    site.cluster.run("scancel", "--signal=KILL", "--full", job_id)
    site.wait_over(job_id)
    for file in (service, f"bench-{job_id}.yaml"):
        wait_until(lambda file=file: site.bench.target(file)["state"] == "withdrawn", file, 60)  # type: ignore[misc]
    why = site.bench.monitord("why", *S, service, code=1).stdout
    assert job_id in why


def test_servers_on_several_nodes_and_windows_by_hand(site: Site) -> None:
    site.start()
    job_id = submit(site, "nodes.sbatch", "--nodes=1")
    assert site.wait_over(job_id, 200) == "COMPLETED", printed(site)
    for run in (1, 2, 3):
        assert site.bench.window(f"servers-{job_id}-{run}")["state"] == "done"
