"""A node's agent by itself: the real node_exporter beside programs that do as a test needs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from monitord.documents.strict_yaml import read_document
from monitord.session.folder import Session
from monitord.session.settings import render_settings
from tests.conftest import wait_until

REPOSITORY = Path(__file__).parents[2]
FILE = "exporters-7-mel0042.yaml"
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = Session(tmp_path / "root", "bench")
    made.create(render_settings({"session": "bench"}))
    return made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "agent.log"


@pytest.fixture
def start(session: Session, tmp_path: Path, log: Path) -> Iterator[Start]:
    """Start the agent of a node, which listens on loopback alone; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(kinds: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join((str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "monitord", "exporters", "run", "--slurm-job=7", "--host=127.0.0.1",
                 "--session=bench", f"--root={session.root}", f"--kinds={kinds}"],
                env={**os.environ, "PATH": path, "SLURMD_NODENAME": "mel0042", "PYTHONPATH": str(REPOSITORY),
                     "TMPDIR": str(tmp_path)},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def said(log: Path, line: str, times: int = 1) -> None:
    wait_until(lambda: log.read_text().count(line) >= times, f"{line!r} in {log.read_text()!r}")


def port_of(session: Session, kind: str) -> int:
    content = read_document((session.targets / FILE).read_bytes()).value
    assert isinstance(content, dict)
    return int(content["exporters"][kind].rpartition(":")[2])


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.real
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_end_it_leaves_nothing(
    session: Session, start: Start, tmp_path: Path, log: Path, ending: signal.Signals
) -> None:
    agent = start("node")
    said(log, "mel0042: node: up: 127.0.0.1:")
    exporters = psutil.Process(agent.pid).children()
    assert len(exporters) == 1
    agent.send_signal(ending)
    assert agent.wait(20) == 0
    assert not exporters[0].is_running()
    assert list(session.targets.iterdir()) == []
    assert list(tmp_path.glob("monitord-exporters-*")) == []


@pytest.mark.real
def test_a_port_that_was_taken_meanwhile_is_given_up(session: Session, start: Start, log: Path) -> None:
    agent = start("node")
    said(log, "node: up")
    before = port_of(session, "node")
    (exporter,) = psutil.Process(agent.pid).children()
    exporter.kill()
    exporter.wait(20)
    with socket.create_server(("127.0.0.1", before)):
        said(log, "node: up", times=2)
        assert port_of(session, "node") != before


@pytest.mark.real
def test_one_that_cannot_run_says_why_and_holds_up_no_other(
    session: Session, start: Start, tmp_path: Path, log: Path
) -> None:
    program(tmp_path, "dcgm-exporter", "echo 'fatal: no GPU here' >&2; exit 3")
    start("dcgm,node")
    said(log, "mel0042: dcgm: failed: ended with exit code 3: fatal: no GPU here; restart in 1 s")
    said(log, "mel0042: node: up")
    said(log, "fatal: no GPU here; restart in 2 s")
    assert "dcgm" not in (session.targets / FILE).read_text()


@pytest.mark.real
def test_a_file_of_another_agent_is_left_alone(session: Session, start: Start, log: Path) -> None:
    agent = start("node")
    said(log, "node: up")
    (session.targets / FILE).write_text("exporters: {node: 1}\n")
    agent.terminate()
    assert agent.wait(20) == 0
    assert (session.targets / FILE).exists()


@pytest.mark.real
def test_a_folder_that_takes_no_file_is_told_and_tried_again(
    session: Session, start: Start, tmp_path: Path, log: Path
) -> None:
    (session.targets / FILE).mkdir()
    start("node")
    said(log, f"monitord: cannot write {session.targets / FILE}: Is a directory")
    assert "node: up" not in log.read_text()  # up is what can be scraped
    (session.targets / FILE).rmdir()
    said(log, "node: up")


def test_a_node_with_nothing_to_run_says_so_and_ends(start: Start, log: Path) -> None:
    assert start("dcgm").wait(20) == 6
    first, second = log.read_text().splitlines()
    assert first.startswith("mel0042: dcgm: missing: no dcgm-exporter in $PATH")
    assert second == "monitord: node mel0042 can run no exporter of kind dcgm"
