"""The daemon's parent: real processes, real signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until

CHECKOUT = Path(__file__).parents[3]
PARENT = """
import sys
from pathlib import Path
from monitord.system.children import spawn_sharing
from monitord.daemon.parent_process import run_supervised
sys.exit(run_supervised(lambda: spawn_sharing(["/bin/bash", "-c", sys.argv[1]])))
"""

FOREVER = "echo $$ >> starts; while :; do sleep 0.02; done"

FORKS = "clone,clone3,fork,vfork"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a parent whose child is a bash script; it runs in a folder of its own, and is ended."""
    started: list[subprocess.Popen[str]] = []

    def begin(script: str, *traced: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*traced, sys.executable, "-c", PARENT, script], cwd=tmp_path, text=True, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def starts(folder: Path) -> int:
    file = folder / "starts"
    return len(file.read_text().split()) if file.exists() else 0


def test_it_ends_as_the_daemon_does(start: Start) -> None:
    for code in (0, 3):
        parent = start(f"exit {code}")
        assert parent.wait(20) == code


def test_a_crashed_daemon_is_started_again(start: Start, tmp_path: Path) -> None:
    parent = start("echo $$ >> starts; [ $(wc -l < starts) = 2 ] && exit 0; kill -SEGV $$")
    assert parent.wait(20) == 0
    assert starts(tmp_path) == 2
    assert parent.stderr is not None
    assert "was ended by SIGSEGV; it is started again in 1 s" in parent.stderr.read()


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGTERM, "TERM"), (signal.SIGUSR1, "USR1"), (signal.SIGHUP, "HUP")]
)
def test_signals_reach_the_daemon(start: Start, tmp_path: Path, number: signal.Signals, name: str) -> None:
    parent = start(
        f"trap 'echo {name} >> got; exit 0' {name}; echo $$ >> starts; while :; do sleep 0.02; done"
    )
    wait_until(lambda: starts(tmp_path) == 1, "the daemon")
    parent.send_signal(number)
    assert parent.wait(20) == 0
    assert (tmp_path / "got").read_text() == f"{name}\n"


def test_a_daemon_that_crashes_while_it_is_ended_is_not_started_again(start: Start, tmp_path: Path) -> None:
    parent = start("trap 'kill -KILL $$' TERM; " + FOREVER)
    wait_until(lambda: starts(tmp_path) == 1, "the daemon")
    parent.terminate()
    assert parent.wait(20) == 128 + signal.SIGKILL
    assert starts(tmp_path) == 1


def test_while_it_waits_to_start_the_daemon_again_it_can_be_ended(start: Start, tmp_path: Path) -> None:
    parent = start("echo $$ >> starts; kill -KILL $$")
    wait_until(lambda: starts(tmp_path) == 2, "the second start, after which the pause is 2 s")
    second = (tmp_path / "starts").read_text().split()[-1]
    wait_until(lambda: not Path(f"/proc/{second}").exists(), "its end")
    parent.terminate()
    assert parent.wait(20) == 128 + signal.SIGKILL


def test_a_warning_that_time_is_short_cuts_the_pause_off(start: Start, tmp_path: Path) -> None:
    parent = start("echo $$ >> starts; [ $(wc -l < starts) = 4 ] && exit 0; kill -KILL $$")
    wait_until(lambda: starts(tmp_path) == 3, "the third start, after which the pause is 4 s")
    assert parent.stderr is not None
    for _ in range(3):
        parent.stderr.readline()
    begun = time.monotonic()
    parent.send_signal(signal.SIGUSR1)
    assert parent.wait(20) == 0
    assert time.monotonic() - begun < 3


def test_the_daemon_dies_with_its_parent(start: Start, tmp_path: Path) -> None:
    parent = start(FOREVER)
    wait_until(lambda: starts(tmp_path) == 1, "the daemon")
    pid = int((tmp_path / "starts").read_text())
    parent.kill()
    wait_until(lambda: not Path(f"/proc/{pid}/cwd").exists(), "the daemon to be gone")


def failing_forks(tmp_path: Path, error: str, which: str) -> tuple[str, ...]:
    """Return what has forks of a program fail, for real; its children are left alone."""
    if shutil.which("strace") is None:
        pytest.skip("no strace here, which has system calls fail")
    inject = f"inject={FORKS}:error={error}:when={which}"
    return ("strace", "-o", str(tmp_path / "trace"), "-e", f"trace={FORKS}", "-e", inject)


@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
def test_a_fork_that_fails_is_tried_again(start: Start, tmp_path: Path, error: str) -> None:
    parent = start("echo $$ >> starts; exit 0", *failing_forks(tmp_path, error, "1..2"))
    assert parent.wait(30) == 0
    assert starts(tmp_path) == 1
    assert parent.stderr is not None
    said = parent.stderr.read()
    assert said.count("the daemon cannot be started") == 2
    assert "cannot run at this moment (exit code 75); it is started again in 1 s" in said


def test_while_no_process_can_be_made_it_can_be_ended(start: Start, tmp_path: Path) -> None:
    parent = start(FOREVER, *failing_forks(tmp_path, "EAGAIN", "1+"))
    assert parent.stderr is not None
    for _ in range(4):
        parent.stderr.readline()
    (pid,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    os.kill(int(pid), signal.SIGTERM)
    assert parent.wait(20) == 75
    assert starts(tmp_path) == 0


def test_trouble_that_may_pass_is_waited_for(start: Start, tmp_path: Path) -> None:
    parent = start("echo $$ >> starts; [ $(wc -l < starts) = 3 ] && exit 0; exit 75")
    assert parent.wait(20) == 0
    assert starts(tmp_path) == 3


def test_a_parent_that_cannot_print_goes_on(tmp_path: Path) -> None:
    script = "echo $$ >> starts; [ $(wc -l < starts) = 2 ] && exit 0; kill -36 $$"
    with Path("/dev/full").open("w") as full:
        parent = subprocess.run(
            [sys.executable, "-c", PARENT, script], cwd=tmp_path, stderr=full, timeout=30, check=False,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )  # fmt: skip
    assert (parent.returncode, starts(tmp_path)) == (0, 2)
