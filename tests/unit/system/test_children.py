"""Children: their output, their environment, their end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.errors import PassingError
from monitord.system.children import Child, ChildError, child_environment, run_briefly, spawn
from tests.conftest import wait_until

IGNORES_SIGTERM = """
import signal, threading
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
threading.Event().wait()
"""

ENDS_CLEANLY = """
import signal, sys, threading
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "child.log"


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()
        child.wait(5.0)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_is_appended_to_the_log(log: Path) -> None:
    log.write_text("before\n")
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    assert spawn(python(code), log, {}).wait(10.0) == 0
    assert log.read_text() == "before\nout\nerr\n"


def test_a_new_log_is_its_owners_alone(log: Path) -> None:
    spawn(python(""), log, {}).wait(10.0)
    assert log.stat().st_mode & 0o777 == 0o600


def test_what_a_child_creates_is_its_owners_alone(log: Path, tmp_path: Path) -> None:
    spawn(python(f"open({str(tmp_path / 'made')!r}, 'w').close()"), log, {}).wait(10.0)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


def test_the_handle_is_the_programs_own_process(log: Path) -> None:
    child = spawn(python("import os; print(os.getpid(), os.getsid(0), os.getppid())"), log, {})
    child.wait(10.0)
    assert log.read_text().split() == [str(child.pid), str(child.pid), str(os.getpid())]


def test_the_environment_is_what_was_given(log: Path) -> None:
    environment = {"TZ": "UTC", "LC_ALL": "C"}
    spawn(python("import os; print(sorted(os.environ))"), log, environment).wait(10.0)
    assert log.read_text() == "['LC_ALL', 'TZ']\n"


def test_a_blocked_signal_of_the_daemon_is_not_blocked_in_the_child(log: Path) -> None:
    code = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        spawn(python(code), log, {}).wait(10.0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert log.read_text() == "set()\n"


def test_standard_input_is_empty(log: Path) -> None:
    spawn(python("import sys; print(repr(sys.stdin.read()))"), log, {}).wait(10.0)
    assert log.read_text() == "''\n"


def test_a_missing_program_exits_127_and_is_reported(log: Path) -> None:
    assert spawn(["/no/such/program"], log, {}).wait(10.0) == 127
    assert log.read_text() == "monitord: cannot run /no/such/program: No such file or directory\n"


def test_a_log_that_cannot_be_opened_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spawn(python(""), tmp_path / "missing" / "log", {})


def test_only_the_main_thread_may_spawn(log: Path) -> None:
    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            spawn(python(""), log, {})
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


def test_the_exit_code_shows_the_signal(log: Path, children: list[Child]) -> None:
    child = spawn(python("import threading; threading.Event().wait()"), log, {})
    children.append(child)
    assert child.poll() is None
    assert child.wait(0.01) is None
    child.kill()
    assert child.wait(10.0) == -signal.SIGKILL
    child.terminate()  # nothing left to signal, and no error


def test_stop_uses_force_in_the_end(log: Path, children: list[Child]) -> None:
    child = spawn(python(IGNORES_SIGTERM), log, {})
    children.append(child)
    wait_until(log.read_text, "the child to be up")
    assert child.stop(0.1) == -signal.SIGKILL


def test_terminate_reaches_a_stopped_process(log: Path, children: list[Child]) -> None:
    child = spawn(python(ENDS_CLEANLY), log, {})
    children.append(child)
    wait_until(log.read_text, "the child to be up")
    os.kill(child.pid, signal.SIGSTOP)
    child.terminate()
    assert child.wait(10.0) == 7


def test_an_orphan_never_becomes_the_program(log: Path) -> None:
    shim = Path(spawn.__code__.co_filename).with_name("exec_shim.py")
    command = [sys.executable, "-I", "-S", str(shim), "1", sys.executable, "-c", "print('ran')"]
    assert run_briefly(command, {}, 10.0) == (125, "")


def test_the_environment_of_children_holds_no_secrets() -> None:
    given = {"PATH": "/bin", "GOGC": "50", "API_TOKEN": "x", "SLURM_JOB_ID": "1", "http_proxy": "p"}
    assert child_environment(given) == {"PATH": "/bin", "GOGC": "50"}


def test_a_brief_run_gives_code_and_all_output() -> None:
    code = "import sys; print('a', flush=True); sys.stderr.write('b'); sys.exit(3)"
    assert run_briefly(python(code), {}, 10.0) == (3, "a\nb")


def test_a_brief_run_that_is_not_brief_is_killed() -> None:
    with pytest.raises(PassingError, match=r"had not answered after 0\.1 s"):
        run_briefly(python("import threading; threading.Event().wait()"), {}, 0.1)


def test_a_brief_run_of_a_missing_program_has_a_reason() -> None:
    with pytest.raises(ChildError, match="/no/such cannot be run: No such file"):
        run_briefly(["/no/such"], {}, 1.0)
