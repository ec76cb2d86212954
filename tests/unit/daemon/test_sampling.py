"""Raw samples by a process of its own: what becomes of that costs a window its raw samples at most."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from monitord.artifacts import parquet
from monitord.artifacts.sample_files import NOT_INSTALLED, Samples
from monitord.artifacts.sample_order import Order, Unavailable, read_reply, to_line
from monitord.daemon import sampling as module
from monitord.daemon.sampling import READER, Sampling
from monitord.errors import PassingError, PrometheusUnavailableError
from monitord.kpis.span import Span
from monitord.prometheus.api.connection_info import ConnectionInfo
from monitord.session.folder import Session
from monitord.system.children import InteractiveChild, child_environment, spawn_interactive
from tests.conftest import wait_until
from tests.fakes.log import events, recording_log

SERVER, SPAN = ConnectionInfo("http://127.0.0.1:1", 0.1), Span("s", 0.0, 10.0, 5.0)
WRITTEN = Samples({"samples/a": Path("/a")}, {"samples/a": 7}, ("odd",))
SAID = '{"type":"Written","files":{"samples/a":"/a"},"rows":{"samples/a":7},"warnings":["odd"]}'
REPLY = f"print({SAID!r}, flush=True)"
SERVES = f"import sys\nfor line in sys.stdin: {REPLY}"

Start = Callable[..., Sampling]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path, "s")
    session.create(b"session: s\n")
    return session


@pytest.fixture
def start(session: Session) -> Iterator[Start]:
    """Return a function that has samples read by a program given as its code."""
    started: list[Sampling] = []

    def begin(code: str, **more: float) -> Sampling:
        log, _ = recording_log()
        started.append(Sampling(log, session, (sys.executable, "-c", code), **more))
        return started[-1]

    yield begin
    for sampling in started:
        sampling.close()


def read(sampling: Sampling) -> Samples:
    with sampling.reading(SERVER, SPAN) as samples:
        return samples()


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_one_process_serves_many_windows_and_ends_with_the_daemon(start: Start, session: Session) -> None:
    sampling = start(SERVES)
    assert read(sampling) == WRITTEN
    pid = sampling.pid
    assert pid is not None
    with sampling.reading(SERVER, SPAN) as first, sampling.reading(SERVER, SPAN) as second:
        assert len(list(session.artifacts.iterdir())) == 2
        assert first() == second() == WRITTEN
    assert sampling.pid == pid
    wait_until(lambda: not list(session.artifacts.iterdir()), "what was read to be removed")
    sampling.close()
    assert not is_there(pid)


def test_it_ends_when_it_is_idle_and_is_started_again(start: Start) -> None:
    sampling = start(SERVES, idle=0.1)
    assert read(sampling) == WRITTEN
    wait_until(lambda: sampling.pid is None, "the end of the process")
    assert read(sampling) == WRITTEN


def test_one_that_was_killed_is_started_again_and_the_window_loses_nothing(
    start: Start, tmp_path: Path
) -> None:
    died = tmp_path / "died"
    dies = f"""
import os, pathlib, sys
sys.stdin.readline()
if not pathlib.Path({str(died)!r}).exists():
    pathlib.Path({str(died)!r}).touch()
    os.kill(os.getpid(), 9)
{REPLY}
sys.stdin.read()
"""
    sampling = start(dies)
    assert read(sampling) == WRITTEN
    assert died.exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ("import time; time.sleep(60)", "did not reply for 0.5 s, and was killed"),
        ("print('what?', flush=True); import sys; sys.stdin.read()", "sent an invalid reply"),
    ],
)
def test_one_that_does_not_reply_costs_the_raw_samples_alone(
    start: Start, session: Session, code: str, said: str
) -> None:
    sampling = start(code, patience=0.5)
    (warning,) = read(sampling).warnings
    assert warning == f"raw samples were not kept: the process that reads them {said}"
    assert sampling.pid is None
    wait_until(lambda: not list(session.artifacts.iterdir()), "what was read to be removed")


def test_one_that_was_stopped_is_killed(start: Start) -> None:
    sampling = start(SERVES, patience=0.5)
    assert read(sampling) == WRITTEN
    pid = sampling.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    (warning,) = read(sampling).warnings
    assert "did not reply for 0.5 s" in warning
    assert not is_there(pid)
    assert read(sampling) == WRITTEN


def test_a_missing_program_is_reported(session: Session) -> None:
    log, said = recording_log()
    sampling = Sampling(log, session, ("/nowhere/python",))
    (warning,) = read(sampling).warnings
    assert warning.endswith("cannot be started: No such file or directory")
    assert events(said) == ["samples.lost"]
    sampling.close()


def test_what_is_tried_again_later_is_raised(start: Start) -> None:
    unavailable = """print('{"type":"Unavailable","reason":"gone"}', flush=True)"""
    with pytest.raises(PrometheusUnavailableError, match="gone"):
        read(start(f"import sys\nfor line in sys.stdin: {unavailable}"))
    full = """print('{"type":"Unwritten","number":28,"reason":"No space","file":"/f"}', flush=True)"""
    with pytest.raises(OSError, match="No space") as raised:
        read(start(f"import sys\nfor line in sys.stdin: {full}"))
    assert (raised.value.errno, raised.value.filename) == (28, "/f")


@pytest.mark.parametrize("is_stopped", [False, True])
def test_closed_while_it_reads_it_ends_at_once(start: Start, is_stopped: bool) -> None:
    sampling = start("import sys; sys.stdin.read()")
    with sampling.reading(SERVER, SPAN) as samples:
        pid = wait_until(lambda: sampling.pid, "the process")
        if is_stopped:
            os.kill(pid, signal.SIGSTOP)
        sampling.close()
        assert samples().warnings
    wait_until(lambda: not is_there(pid), "its end")


def test_without_pyarrow_no_process_is_started_and_a_warning_says_what_to_install(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "is_available", lambda: False)
    sampling = start(SERVES)
    assert read(sampling) == Samples(warnings=(NOT_INSTALLED,))
    assert sampling.pid is None


def test_the_reader_itself_outlives_sigterm_and_ends_with_its_input(tmp_path: Path) -> None:
    child = spawn_interactive(READER, child_environment(os.environ))
    for _ in range(2):
        child.send_line(to_line(Order(SERVER, SPAN, str(tmp_path))))
        assert isinstance(read_reply(child.read_line(20.0) or b""), Unavailable)
        child.terminate()
    child.dismiss(5.0)
    assert child.poll() == 0


def test_one_that_cannot_be_started_for_a_while_is_waited_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [BlockingIOError(11, "Resource temporarily unavailable")]

    def spawn(argv: Sequence[str], environment: Mapping[str, str]) -> InteractiveChild:
        if refusals:
            raise refusals.pop()
        return spawn_interactive(argv, environment)

    monkeypatch.setattr(module, "spawn_interactive", spawn)
    monkeypatch.setattr(module, "START_AGAIN_SECONDS", 0.01)
    assert read(start(SERVES)) == WRITTEN


def test_one_that_never_can_be_started_costs_the_raw_samples_alone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_AGAIN_SECONDS", 0.01)
    (warning,) = read(start("raise SystemExit(75)", start_patience=0.1)).warnings
    assert warning.endswith("could not start a thread")


def test_without_a_thread_nothing_is_begun_and_a_later_window_has_one(
    start: Start, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = start(SERVES)

    def none(*_: object) -> threading.Thread:
        raise PassingError("no thread")

    with monkeypatch.context() as patched:
        patched.setattr(module, "start_thread", none)
        with pytest.raises(PassingError, match="no thread"):
            read(sampling)
    assert not list(session.artifacts.iterdir())
    assert read(sampling) == WRITTEN
