"""What a terminal gets to see, and what NO_COLOR takes away; elsewhere there are no escape codes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.conftest import MONITORD, PATIENCE, Bench

pytestmark = pytest.mark.real

ESCAPE = b"\x1b["


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Open a pseudo-terminal: its near end, to read what is shown, and its far end, for a program."""
    near, far = os.openpty()
    try:
        yield near, far
    finally:
        os.close(near)


def shown(bench: Bench, *arguments: str, code: int, **environment: str) -> bytes:
    """Run a command on a terminal; return all that it wrote there."""
    with terminal() as (near, far):
        process = subprocess.Popen(
            [*MONITORD, *arguments, "-s", "bench"], stdin=far, stdout=far, stderr=far, cwd=bench.root,
            env=bench.environment(TERM="xterm-256color", **environment), start_new_session=True,
        )  # fmt: skip
        bench.started.append(process)
        os.close(far)
        text = b"".join(iter(lambda: read(near), b""))
        assert process.wait(PATIENCE) == code, text
    return text


def read(near: int) -> bytes:
    try:
        return os.read(near, 4096)
    except OSError:  # EIO: nobody holds the far end any more
        return b""


WAIT = ("wait", "--for", "ready", "--timeout", "700ms")


def test_a_terminal_shows_what_is_waited_for(bench: Bench) -> None:
    text = shown(bench, *WAIT, code=3)
    assert b"waiting for ready: the daemon has not started" in text
    assert ESCAPE in text
    assert text.rstrip().endswith(b"the daemon has not started")


@pytest.mark.parametrize("arguments", [WAIT, ("config", "show")])
def test_no_color_is_honoured(bench: Bench, arguments: tuple[str, ...]) -> None:
    text = shown(bench, *arguments, code=3 if arguments is WAIT else 0, NO_COLOR="1")
    assert text
    assert ESCAPE not in text


def test_a_table_on_a_terminal_holds_the_same(bench: Bench) -> None:
    plain = bench.monitord("config", "show", "-s", "bench").stdout
    drawn = shown(bench, "config", "show", code=0)
    assert ESCAPE in drawn
    text = _squeezed(re.sub(rb"\x1b\[[0-9;]*m", b"", drawn).decode())
    for line in plain.splitlines()[1:]:
        key, _, value = line.partition(" ")
        assert _squeezed(key) in text
        assert _squeezed(value) in text


def _squeezed(text: str) -> str:
    """Leave out what a table puts between the words of a long value."""
    return re.sub(r"[\s│]", "", text)


def test_the_daemon_logs_readable_lines_on_a_terminal_and_json_to_its_file(bench: Bench) -> None:
    binary = bench.root / "prometheus"  # so that it ends at once
    text = shown(bench, "run", "--prometheus-binary", str(binary), code=6)
    assert b"daemon.started" in text
    assert b'"event"' not in text
    assert [line["event"] for line in bench.log()] == ["daemon.started", "daemon.failed"]
