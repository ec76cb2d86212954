"""Commands of the user's on the user's terminal, and daemons that live on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitord.system.children import run_attached, spawn_detached
from tests.conftest import wait_until


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", 0),
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 128 + signal.SIGTERM),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_the_exit_code_is_the_commands_own(code: str, expected: int) -> None:
    assert run_attached(python(code)) == expected


def test_a_missing_command_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_attached(["/no/such"]) == 127
    assert capsys.readouterr().err == "monitord: /no/such: no such command\n"
    assert run_attached([str(tmp_path)]) == 126
    assert capsys.readouterr().err == f"monitord: {tmp_path}: Permission denied\n"


def test_a_ctrl_c_is_the_commands_to_answer(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    inner = (
        "import pathlib, signal, sys, threading\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(5))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "threading.Event().wait()\n"
    )
    outer = (
        "from monitord.system.children import run_attached\n"
        f"raise SystemExit(run_attached({python(inner)!r}))"
    )
    process = subprocess.Popen(python(outer), start_new_session=True)
    try:
        wait_until(ready.exists, "the command to be up")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 5
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_detached_program_lives_on_in_a_session_of_its_own(tmp_path: Path) -> None:
    log, marker = tmp_path / "log", tmp_path / "lived"
    log.write_text("of an earlier one\n")
    inner = (
        "import os, pathlib; print(os.getsid(0) == os.getpid(), flush=True); "
        f"pathlib.Path({str(marker)!r}).touch()"
    )
    outer = (
        "from pathlib import Path\nfrom monitord.system.children import spawn_detached\n"
        f"spawn_detached({python(inner)!r}, Path({str(log)!r}))\n"
        "import os; os._exit(0)\n"
    )
    assert subprocess.run(python(outer), check=False, timeout=20).returncode == 0
    wait_until(marker.exists, "the program to go on after its parent")
    assert log.read_text() == "True\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_exit_code_of_a_detached_program_is_known(tmp_path: Path) -> None:
    child = spawn_detached(python("import sys; sys.exit('broken')"), tmp_path / "log")
    assert child.wait(20.0) == 1
    assert (tmp_path / "log").read_text() == "broken\n"
