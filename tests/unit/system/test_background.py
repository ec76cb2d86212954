"""Questions asked beside the main loop."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from monitord.errors import PassingError
from monitord.system.background import Background, Workers, within
from tests.conftest import wait_until
from tests.fakes.threads import NO_THREAD, Threads


def test_an_answer_wakes_and_is_taken_once() -> None:
    woken = threading.Event()
    background: Background[int] = Background(woken.set)
    background.ask(lambda: 7)
    assert woken.wait(20)
    answer = background.take()
    assert answer is not None
    assert answer.result() == 7
    assert background.take() is None
    assert not background.is_busy


def test_one_question_at_a_time() -> None:
    may_answer = threading.Event()
    asked: list[str] = []
    background: Background[object] = Background(lambda: None)
    background.ask(lambda: may_answer.wait(20))
    background.ask(lambda: asked.insert(0, "twice"))
    assert background.is_busy
    assert background.take() is None
    may_answer.set()
    wait_until(background.take, "the answer")
    assert asked == []


def test_an_error_is_the_askers() -> None:
    background: Background[float] = Background(lambda: None)
    background.ask(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        wait_until(background.take, "the answer").result()


def test_a_forgotten_answer_is_discarded() -> None:
    may_answer, answered = threading.Event(), threading.Event()
    background: Background[str] = Background(answered.set)
    background.ask(lambda: str(may_answer.wait(20)))
    background.forget()
    background.ask(lambda: "second")
    assert wait_until(background.take, "the answer").result() == "second"
    answered.clear()
    may_answer.set()
    assert answered.wait(20)
    assert background.take() is None


HANGING = """
import threading
from monitord.system.background import Background, Workers
started = threading.Event()
Background(lambda: None).ask(lambda: (started.set(), threading.Event().wait()))
started.wait()
"""


def test_a_question_that_hangs_does_not_keep_the_program_alive() -> None:
    assert subprocess.run([sys.executable, "-c", HANGING], timeout=30, check=False).returncode == 0


def test_workers_do_what_comes_in_its_order_and_hand_on_what_fails() -> None:
    done: list[int] = []
    workers: Workers[object] = Workers(1)
    futures = [workers.submit(done.append, number) for number in range(20)]
    failed = workers.submit(lambda: done[99])
    for future in futures:
        future.result(20)
    assert done == list(range(20))
    with pytest.raises(IndexError):
        failed.result(20)
    assert workers.submit(done.append, 20).result(20) is None, "a failure ends no worker"


def test_there_are_as_many_workers_as_asked_for() -> None:
    both = threading.Barrier(2)
    workers: Workers[int] = Workers(2)
    waiting = [workers.submit(both.wait, 20) for _ in range(2)]
    assert sorted(future.result(20) for future in waiting) == [0, 1]


def test_work_that_is_called_off_is_not_begun() -> None:
    may_go_on = threading.Event()
    workers: Workers[object] = Workers(1)
    first = workers.submit(may_go_on.wait, 20)
    second = workers.submit(pytest.fail, "begun")
    assert second.cancel()
    may_go_on.set()
    assert first.result(20)


def test_the_end_of_the_program_waits_for_no_worker() -> None:
    script = (
        "import threading; from monitord.system.background import Workers; begun = threading.Event(); "
        "Workers(1).submit(lambda: (begun.set(), threading.Event().wait())); begun.wait(20)"
    )
    subprocess.run([sys.executable, "-c", script], timeout=20, check=True)


def test_what_takes_too_long_is_not_waited_for() -> None:
    may_go_on = threading.Event()

    def hang() -> None:
        may_go_on.wait(30.0)

    assert not within(0.05, hang)
    may_go_on.set()
    assert within(10.0, lambda: None)


def test_what_fails_is_not_done() -> None:
    def fail() -> None:
        raise OSError("the folder is away")

    assert not within(0.05, fail)


def test_where_no_thread_is_left_that_is_the_answer_and_the_next_question_is_asked() -> None:
    woken: list[bool] = []
    threads = Threads(are_left=False)
    background: Background[int] = Background(lambda: woken.append(True), threads)
    for _ in range(3):
        assert not background.ask(lambda: 7)
        answer = background.take()
        assert answer is not None
        with pytest.raises(PassingError, match=NO_THREAD):
            answer.result()
    assert not background.is_busy
    assert woken == [], "who asks again when woken would do nothing else"
    threads.are_left = True
    assert background.ask(lambda: 7)
    assert wait_until(background.take, "the answer").result() == 7
    assert woken == [True]


def test_a_task_without_a_thread_fails_and_later_tasks_run() -> None:
    threads = Threads(are_left=False)
    workers: Workers[int] = Workers(2, threads)
    with pytest.raises(PassingError, match=NO_THREAD):
        workers.submit(lambda: 1).result(20)
    threads.are_left = True
    both = threading.Barrier(2)
    waiting = [workers.submit(both.wait, 20) for _ in range(2)]
    assert sorted(future.result(20) for future in waiting) == [0, 1], "as many as they are said to be"


def test_workers_of_which_one_was_started_do_everything() -> None:
    threads = Threads()

    def run(task: Callable[[], None]) -> None:
        threads(task)
        threads.are_left = False

    one: Workers[int] = Workers(2, run)
    assert [one.submit(lambda number=number: number).result(20) for number in range(3)] == [0, 1, 2]
    assert threads.refused == 3


LIMITED = """
import os, resource, sys
from monitord.system.background import on_a_thread
from monitord.errors import PassingError
if os.geteuid() == 0:
    os.setgid(54321)
    os.setuid(54321)  # no limit holds for root
_, hard = resource.getrlimit(resource.RLIMIT_NPROC)
resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
try:
    on_a_thread(lambda: None)
except PassingError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_NPROC, (1000 if hard < 0 else hard, hard))
on_a_thread(lambda: os.write(1, b"runs"))
"""


def test_a_limit_of_processes_is_a_passing_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], timeout=30, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("no thread can be started (can't start new thread)")
    assert done.stdout.endswith("runs")
