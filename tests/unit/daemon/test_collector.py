"""Windows collected by another process: what becomes of that process costs a window at most a try."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from monitord.artifacts.collector_messages import (
    Asked,
    Done,
    Going,
    Order,
    Refused,
    Unavailable,
    Unwritten,
    pack,
    read_order,
    read_reply,
    to_line,
    unpack_asked,
)
from monitord.collect.collect import collect
from monitord.collect.request import CollectionRequest
from monitord.collect.verdict import Reason
from monitord.daemon import collector as module
from monitord.daemon.collector import READER, Collection, Collector, Samples
from monitord.errors import MonitordError, PassingError, PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api.connection_info import ConnectionInfo
from monitord.session.folder import Session
from monitord.system.children import InteractiveChild, child_environment, spawn_interactive
from monitord.windows.model import Window
from tests.conftest import wait_until
from tests.fakes.log import events, recording_log
from tests.fakes.sample_client import SampleClient

SERVER = ConnectionInfo("http://127.0.0.1:1", 0.1)
REQUEST = CollectionRequest("s", Window("w", 0.0, 10.0), (), 5.0, 0.95, ())
COLLECTED = collect(REQUEST, SampleClient(), lambda: 20.0)
DONE = (COLLECTED, Samples({"samples/a": Path("/a")}, {"samples/a": 7}))
REPLY = "; ".join(
    f"print({to_line(reply).decode()!r}, flush=True)"
    for reply in (Going(), Going(), Done(pack(COLLECTED), {"samples/a": "/a"}, {"samples/a": 7}))
)
SERVES = f"import sys\nfor line in sys.stdin: {REPLY}"

Start = Callable[..., Collector]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path, "s")
    session.create(b"session: s\n")
    return session


@pytest.fixture
def start(session: Session) -> Iterator[Start]:
    """Return a function that has windows collected by a program given as its code."""
    started: list[Collector] = []

    def begin(code: str, **more: float) -> Collector:
        log, _ = recording_log()
        started.append(Collector(log, session, (sys.executable, "-c", code), **more))
        return started[-1]

    yield begin
    for collector in started:
        collector.close()


def run(collector: Collector, keep_samples: bool = True) -> Collection:
    with collector.collecting(SERVER, Asked(REQUEST), keep_samples) as found:
        return found


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_one_process_serves_many_windows_and_ends_with_the_daemon(start: Start, session: Session) -> None:
    collector = start(SERVES)
    assert run(collector) == DONE
    pid = collector.pid
    assert pid is not None
    with (
        collector.collecting(SERVER, Asked(REQUEST), True) as first,
        collector.collecting(SERVER, Asked(REQUEST), True) as second,
    ):
        assert len(list(session.artifacts.iterdir())) == 2
        assert first == second == DONE
    assert collector.pid == pid
    wait_until(lambda: not list(session.artifacts.iterdir()), "what was read to be removed")
    collector.close()
    assert not is_there(pid)


def test_it_ends_when_it_is_idle_and_is_started_again(start: Start) -> None:
    collector = start(SERVES, idle=0.1)
    assert run(collector) == DONE
    wait_until(lambda: collector.pid is None, "the end of the process")
    assert run(collector) == DONE


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
    collector = start(dies)
    assert run(collector) == DONE
    assert died.exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        # Hangs for longer than the patience of these tests; it is killed, never waited for.
        ("import time; time.sleep(60)", "did not reply for 0.5 s, and was killed"),
        ("print('what?', flush=True); import sys; sys.stdin.read()", "sent an invalid reply"),
    ],
)
def test_one_that_does_not_reply_costs_the_try_and_is_gone(
    start: Start, session: Session, code: str, said: str
) -> None:
    collector = start(code, patience=0.5)
    expected = f"the process that collects windows {said}; monitord window recollect tries again"
    with pytest.raises(MonitordError) as raised:
        run(collector)
    assert (str(raised.value), isinstance(raised.value, PrometheusUnavailableError)) == (expected, False)
    assert collector.pid is None
    wait_until(lambda: not list(session.artifacts.iterdir()), "what was read to be removed")


def test_one_that_was_stopped_is_killed(start: Start) -> None:
    collector = start(SERVES, patience=0.5)
    assert run(collector) == DONE
    pid = collector.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(MonitordError, match=r"did not reply for 0\.5 s"):
        run(collector)
    assert not is_there(pid)
    assert run(collector) == DONE


def test_a_missing_program_is_reported(session: Session) -> None:
    log, said = recording_log()
    collector = Collector(log, session, ("/nowhere/python",))
    with pytest.raises(MonitordError, match="cannot be started: No such file or directory"):
        run(collector)
    assert events(said) == ["collector.lost"]
    collector.close()


def test_what_the_process_could_not_do_is_raised(start: Start) -> None:
    def refusing(reply: Unavailable | Refused | Unwritten) -> Collector:
        return start(f"import sys\nfor line in sys.stdin: print({to_line(reply).decode()!r}, flush=True)")

    with pytest.raises(PrometheusUnavailableError, match="gone"):
        run(refusing(Unavailable("gone")))
    with pytest.raises(PrometheusError, match="odd") as refused:
        run(refusing(Refused("odd")))
    assert not isinstance(refused.value, PrometheusUnavailableError)
    with pytest.raises(OSError, match="No space") as raised:
        run(refusing(Unwritten(28, "No space", "/f")))
    assert (raised.value.errno, raised.value.filename) == (28, "/f")


@pytest.mark.parametrize("keep_samples", [False, True])
def test_the_process_gets_what_is_asked_for_and_where_files_go(
    start: Start, session: Session, tmp_path: Path, keep_samples: bool
) -> None:
    copy = tmp_path / "order"
    code = f"""
import sys
with open({str(copy)!r}, 'w') as file: file.write(sys.stdin.readline())
{REPLY}
sys.stdin.read()
"""
    asked = Asked(REQUEST, (Reason("settle_timeout", "late"),))
    with start(code).collecting(SERVER, asked, keep_samples):
        order = read_order(copy.read_bytes())
        assert order.server == SERVER
        assert unpack_asked(order.request) == asked
        assert order.samples == keep_samples
        assert [str(folder) for folder in session.artifacts.iterdir()] == [order.folder]


@pytest.mark.parametrize("is_stopped", [False, True])
def test_closed_while_it_reads_it_ends_at_once(start: Start, is_stopped: bool) -> None:
    collector = start("import sys; sys.stdin.read()")
    raised: list[MonitordError] = []

    def waiting() -> None:
        with pytest.raises(MonitordError) as error:
            run(collector)
        raised.append(error.value)

    thread = threading.Thread(target=waiting)
    thread.start()
    pid = wait_until(lambda: collector.pid, "the process")
    if is_stopped:
        os.kill(pid, signal.SIGSTOP)
    collector.close()
    thread.join(10.0)
    assert raised
    wait_until(lambda: not is_there(pid), "its end")


def test_the_reader_itself_outlives_sigterm_and_ends_with_its_input(tmp_path: Path) -> None:
    child = spawn_interactive(READER, child_environment(os.environ))
    for _ in range(2):
        child.send_line(to_line(Order(SERVER, pack(Asked(REQUEST)), str(tmp_path))))
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
    assert run(start(SERVES)) == DONE


def test_one_that_cannot_be_started_is_tried_again_with_a_later_window(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_AGAIN_SECONDS", 0.01)
    with pytest.raises(PrometheusUnavailableError, match="could not start a thread"):
        run(start("raise SystemExit(75)", start_patience=0.1))


def test_without_a_thread_nothing_is_begun_and_a_later_window_has_one(
    start: Start, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = start(SERVES)

    def none(*_: object) -> threading.Thread:
        raise PassingError("no thread")

    with monkeypatch.context() as patched:
        patched.setattr(module, "start_thread", none)
        with pytest.raises(PassingError, match="no thread"):
            run(collector)
    assert not list(session.artifacts.iterdir())
    assert run(collector) == DONE
