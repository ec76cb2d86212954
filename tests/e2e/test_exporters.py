"""`monitord exporters` on a real Slurm, with the real node_exporter and the real Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from monitord.documents.strict_yaml import read_document
from tests.conftest import wait_until
from tests.e2e.conftest import Bench
from tests.slurm_cluster import NODES, SlurmCluster

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

# Both nodes of the cluster are this machine, and nothing here is to listen elsewhere.
HERE = "--host=127.0.0.1"


@pytest.fixture
def client_job(cluster: SlurmCluster, tmp_path: Path) -> Iterator[str]:
    """A client's job on both nodes; with it ends all that was started in it."""
    script = tmp_path / "client.sh"
    script.write_text("#!/bin/sh\nexec sleep 300\n")
    job_id = cluster.submit("--nodes=2", "--output=/dev/null", script)
    wait_until(lambda: cluster.state(job_id) == "RUNNING", "the client's job to run")
    yield job_id
    cluster.run("scancel", job_id)
    wait_until(lambda: cluster.state(job_id) == "CANCELLED", "the client's job to end")


def files(bench: Bench, job_id: str) -> list[str]:
    return sorted(file.name for file in bench.session.targets.glob(f"exporters-{job_id}-*.yaml"))


def expected(job_id: str) -> list[str]:
    return [f"exporters-{job_id}-{node}.yaml" for node in NODES]


def registered(bench: Bench, name: str) -> dict[str, Any]:
    content = read_document((bench.session.targets / name).read_bytes()).value
    assert isinstance(content, dict)
    return content


def node_exporters(bench: Bench) -> list[psutil.Process]:
    """Return the node_exporters of this session's agents."""
    agents = [
        psutil.Process(pid) for pid, command in bench.left().items() if "monitord exporters run" in command
    ]
    return [
        child
        for agent in agents
        for child in agent.children()
        if any("--web.listen-address" in word for word in child.cmdline())
    ]


def wait_gone(processes: list[psutil.Process]) -> None:
    assert processes
    wait_until(lambda: not any(process.is_running() for process in processes), "the exporters' end")


def start(
    bench: Bench, cluster: SlurmCluster, job_id: str, *flags: str, code: int = 0
) -> dict[str, dict[str, Any]]:
    """Start exporters, and return what is said of each node."""
    ran = bench.monitord(
        "exporters", "start", "-s", bench.name, f"--slurm-job={job_id}", HERE, "-o", "json", *flags,
        code=code, SLURM_CONF=str(cluster.configuration),
    )  # fmt: skip
    return {row["node"]: row for row in json.loads(ran.stdout)}


def stop(bench: Bench, cluster: SlurmCluster, job_id: str) -> str:
    ran = bench.monitord(
        "exporters", "stop", "-s", bench.name, f"--slurm-job={job_id}", SLURM_CONF=str(cluster.configuration)
    )
    return ran.stderr


def test_exporters_of_every_node_are_scraped_until_they_are_stopped(
    bench: Bench, cluster: SlurmCluster, client_job: str
) -> None:
    daemon = bench.run(SLURM_CONF=str(cluster.configuration))
    rows = start(bench, cluster, client_job, "--kinds=node,dcgm", "--client-id=c1")
    assert {node: row["state"] for node, row in rows.items()} == dict.fromkeys(NODES, "partial")
    assert {tuple(row["problems"]) for row in rows.values()} == {("dcgm",)}
    for node in NODES:
        log = Path(rows[node]["log"]).read_text()
        assert log.count(f"{node}: dcgm: missing: no dcgm-exporter in $PATH") == 1
    assert files(bench, client_job) == expected(client_job)
    bench.wait_up(*expected(client_job))
    labels = [bench.target(file)["endpoints"][0]["labels"] for file in expected(client_job)]
    assert {(each["job"], each["client"]) for each in labels} == {("node", "c1")}

    again = bench.monitord(
        "exporters",
        "start",
        "-s",
        bench.name,
        f"--slurm-job={client_job}",
        code=1,
        SLURM_CONF=str(cluster.configuration),
    )
    assert "has exporters already" in again.stderr

    exporters = node_exporters(bench)
    assert len(exporters) == 2
    assert "withdrawn" not in stop(bench, cluster, client_job)  # the agents did that themselves
    assert files(bench, client_job) == []
    wait_gone(exporters)
    wait_until(lambda: set(bench.left()) == family(daemon.pid), "the agents' end")
    wait_until(lambda: bench.target(expected(client_job)[0])["state"] == "withdrawn", "the withdrawal")


def family(pid: int) -> set[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {pid, *map(int, children)}


def test_one_that_dies_comes_back_on_its_port(bench: Bench, cluster: SlurmCluster, client_job: str) -> None:
    rows = start(bench, cluster, client_job, "--kinds=node")
    assert {row["state"] for row in rows.values()} == {"up"}
    before = [registered(bench, file)["exporters"] for file in expected(client_job)]
    killed = node_exporters(bench)
    assert len(killed) == 2
    for process in killed:
        process.kill()
    logs = [Path(row["log"]) for row in rows.values()]
    wait_until(lambda: all(log.read_text().count("node: up") == 2 for log in logs), "both to be up again")
    assert all("node: failed: ended by signal 9; restart in 1 s" in log.read_text() for log in logs)
    assert len(node_exporters(bench)) == 2
    assert not set(node_exporters(bench)) & set(killed)
    assert [registered(bench, file)["exporters"] for file in expected(client_job)] == before


def test_a_sick_node_does_not_delay_the_other(bench: Bench, cluster: SlurmCluster, client_job: str) -> None:
    with cluster.sick_node("n2"):
        began = time.time()
        rows = start(bench, cluster, client_job, "--kinds=node", code=6)
        ended = time.time()
        file = bench.session.targets / expected(client_job)[0]
        # The command waited for Slurm to give the other up, and n1 was long there by then.
        assert file.stat().st_mtime - began < (ended - began) / 2
    assert rows["n1"]["state"] == "up"
    assert rows["n2"]["state"] == "failed"
    assert "timed out" in rows["n2"]["problems"]["node"]
    assert files(bench, client_job) == [file.name]


def test_a_cancelled_job_takes_its_exporters_with_it(
    bench: Bench, cluster: SlurmCluster, client_job: str
) -> None:
    start(bench, cluster, client_job, "--kinds=node")
    exporters = node_exporters(bench)
    cluster.run("scancel", client_job)
    wait_until(lambda: files(bench, client_job) == [], "the files to be removed")
    wait_gone(exporters)
    bench.wait_alone()


def test_what_an_agent_that_was_killed_left_is_withdrawn_with_its_job(
    bench: Bench, cluster: SlurmCluster, client_job: str
) -> None:
    bench.run(SLURM_CONF=str(cluster.configuration))
    start(bench, cluster, client_job, "--kinds=node")
    first, second = expected(client_job)
    bench.wait_up(first, second)
    steps = cluster.run("squeue", "--noheader", "--steps", f"--jobs={client_job}", "--format=%i|%j")
    agents = [line.split("|")[0] for line in steps.split() if line.endswith("|monitord-exporters")]
    exporters = node_exporters(bench)
    cluster.run("scancel", "--signal=KILL", *agents)
    wait_gone(exporters)
    assert files(bench, client_job) == [first, second]
    (bench.session.targets / second).rename(bench.root / second)  # a node that was put right by hand
    assert first in stop(bench, cluster, client_job)
    (bench.root / second).rename(bench.session.targets / second)
    cluster.run("scancel", client_job)
    wait_until(lambda: bench.target(second).get("state") == "withdrawn", "the job's end to be seen", 60)


def test_each_task_of_an_array_has_its_own(bench: Bench, cluster: SlurmCluster, tmp_path: Path) -> None:
    script = tmp_path / "client.sh"
    script.write_text("#!/bin/sh\nexec sleep 300\n")
    array = cluster.submit("--array=1-2", "--output=/dev/null", script)
    wait_until(lambda: cluster.state(array).split() == ["RUNNING"] * 2, "both tasks to run")
    for task in (1, 2):
        rows = start(bench, cluster, f"{array}_{task}", "--kinds=node")
        assert [row["state"] for row in rows.values()] == ["up"]
    both = {file.name for file in bench.session.targets.iterdir()}
    assert len(both) == 2
    stop(bench, cluster, f"{array}_2")
    left = {file.name for file in bench.session.targets.iterdir()}
    assert len(left) == 1
    cluster.run("scancel", array)
    wait_until(lambda: not any(bench.session.targets.iterdir()), "the array's files to go with it")
    bench.wait_alone()


def test_jobs_that_do_not_run_are_refused(bench: Bench, cluster: SlurmCluster, tmp_path: Path) -> None:
    def refused(job_id: str) -> str:
        return bench.monitord(
            "exporters",
            "start",
            "-s",
            bench.name,
            f"--slurm-job={job_id}",
            code=6,
            SLURM_CONF=str(cluster.configuration),
        ).stderr

    script = tmp_path / "client.sh"
    script.write_text("#!/bin/sh\nexec sleep 300\n")
    job_id = cluster.submit("--begin=now+1hour", "--output=/dev/null", script)
    assert f"job {job_id} is not running yet (PENDING, BeginTime)" in refused(job_id)
    cluster.run("scancel", job_id)
    wait_until(lambda: "has ended (CANCELLED)" in refused(job_id), "the job to be over")
    assert "knows no job 999999" in refused("999999")


def test_a_job_s_own_script_starts_them_with_one_line(
    bench: Bench, cluster: SlurmCluster, tmp_path: Path
) -> None:
    script = tmp_path / "client.sh"
    script.write_text(
        "#!/bin/sh\n"
        f"monitord exporters start --session {bench.name} --kinds node {HERE} || exit\n"
        f"ls {bench.session.targets} > {tmp_path}/registered\n"
    )
    job_id = cluster.submit(
        "--nodes=2", "--ntasks-per-node=2", "--wait", f"--output={tmp_path}/out", script,
        environment=bench.environment(),
    )  # fmt: skip
    assert (tmp_path / "registered").read_text().split() == expected(job_id), (tmp_path / "out").read_text()
    wait_until(lambda: files(bench, job_id) == [], "the files to go with the job")
    bench.wait_alone()
