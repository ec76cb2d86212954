"""Lines that wait for whoever writes them, and hold up nobody."""

from __future__ import annotations

import threading

from monitord.system.line_queue import LineQueue
from tests.conftest import wait_until


class Hanging:
    """A file that takes lines only while it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.may.wait(30.0)
        self.lines.append(line)


def test_lines_are_written_in_order_and_tasks_between_them() -> None:
    file = Hanging()
    file.may.set()
    lines = LineQueue(file.write)
    lines.write("one")
    lines.call(lambda: file.lines.append("(reopened)"))
    lines.write("two")
    assert lines.close(10.0)
    assert file.lines == ["one", "(reopened)", "two"]


def test_who_writes_never_waits_and_what_is_too_much_is_counted() -> None:
    file = Hanging()
    lines = LineQueue(file.write, most=3)
    lines.write("first")
    wait_until(lines._waiting.empty, "the first line to be taken")
    for number in range(10):
        lines.write(f"line {number}")
    assert not lines.close(0.05)
    file.may.set()
    wait_until(lambda: len(file.lines) == 5, f"all lines, not {file.lines}")
    assert file.lines[:4] == ["first", "line 0", "line 1", "line 2"]
    assert file.lines[4].startswith("monitord: 7 lines were dropped here")
    assert lines.close(10.0)
