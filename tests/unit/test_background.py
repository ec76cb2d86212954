"""Questions asked beside the main loop."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from monitord.background import Background
from tests.conftest import wait_until


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


def test_what_was_forgotten_answers_nobody() -> None:
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
from monitord.background import Background
started = threading.Event()
Background(lambda: None).ask(lambda: (started.set(), threading.Event().wait()))
started.wait()
"""


def test_a_question_that_hangs_does_not_keep_the_program_alive() -> None:
    assert subprocess.run([sys.executable, "-c", HANGING], timeout=30, check=False).returncode == 0
