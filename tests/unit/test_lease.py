"""One daemon a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from monitord import lease
from monitord.lease import (
    HeldError,
    Holder,
    acquire,
    is_alive_here,
    process_start,
    read_holder,
    release,
)

HOST = "mel0001"
NOW = 1_700_000_000.0
RACER = """
import sys, time
from pathlib import Path
from monitord.lease import HeldError, acquire
path = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    acquire(path, "mel0001", 1.7e9, heartbeat=lambda: None, pause=time.sleep)
    print("held", flush=True)
    sys.stdin.readline()
except HeldError:
    print("refused", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "daemon.lease"


def take(path: Path, host: str = HOST) -> Holder:
    def unexpected(_: float) -> None:
        pytest.fail("waited for a holder that can be judged at once")

    return acquire(path, host, NOW, heartbeat=lambda: None, pause=unexpected)


def write(path: Path, holder: Holder) -> None:
    path.write_text(json.dumps(asdict(holder)))


def stale(host: str = HOST) -> Holder:
    """A holder whose pid belongs to another process now: this one, which started at another time."""
    return Holder(host, os.getpid(), (process_start(os.getpid()) or 0) - 1, "long ago", "old")


def test_the_first_one_holds_it_and_the_second_is_told_who_does(path: Path) -> None:
    mine = take(path)
    assert read_holder(path) == mine
    assert is_alive_here(mine, HOST)
    with pytest.raises(HeldError, match=rf"host mel0001, pid {os.getpid()}, since 2023-11-14T22:13:20"):
        take(path)
    assert read_holder(path) == mine
    assert [file.name for file in path.parent.iterdir()] == ["daemon.lease"]


def test_released_is_free_and_only_the_holder_releases(path: Path) -> None:
    mine = take(path)
    release(path, replace(mine, nonce="other"))
    assert read_holder(path) == mine
    release(path, mine)
    release(path, mine)
    assert read_holder(path) is None
    take(path)


def test_a_pid_that_was_given_to_another_process_is_not_the_holder(path: Path) -> None:
    write(path, stale())
    mine = take(path)
    assert read_holder(path) == mine
    assert [file.name for file in path.parent.iterdir()] == ["daemon.lease"]


def test_a_process_that_ended_is_not_the_holder(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = process_start(process.pid)
        assert started is not None
        write(path, Holder(HOST, process.pid, started, "now", "n"))
        with pytest.raises(HeldError):
            take(path)
        process.kill()
    assert process_start(process.pid) is None
    take(path)


def test_a_living_heartbeat_on_another_host_is_respected(path: Path) -> None:
    write(path, stale("mel0002"))
    beats, waited = iter(range(100)), list[float]()
    with pytest.raises(HeldError, match="host mel0002"):
        acquire(path, HOST, NOW, heartbeat=lambda: next(beats), pause=waited.append)
    assert sum(waited) < 30


@pytest.mark.parametrize("last_beat", [None, "2026-01-01T00:00:00Z"])
def test_a_heartbeat_that_stands_still_is_a_holder_that_is_gone(path: Path, last_beat: str | None) -> None:
    write(path, stale("mel0002"))
    waited: list[float] = []
    mine = acquire(path, HOST, NOW, heartbeat=lambda: last_beat, pause=waited.append)
    assert read_holder(path) == mine
    assert sum(waited) >= 30


def test_a_heartbeat_that_comes_late_is_a_heartbeat(path: Path) -> None:
    write(path, stale("mel0002"))
    waited: list[float] = []
    with pytest.raises(HeldError):
        acquire(path, HOST, NOW, heartbeat=lambda: len(waited) > 20, pause=waited.append)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"host": "h"}', b'{"new_field": 1}', b"\xff"])
def test_a_lease_that_cannot_be_read_is_told_of(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert read_holder(path) is None
    with pytest.raises(HeldError, match="is not a lease of this version"):
        take(path)
    assert path.read_bytes() == content


def test_what_another_took_meanwhile_is_not_set_aside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder was gone when it was judged; before its lease is removed, another has taken over."""
    other = replace(stale(), process_started=process_start(os.getpid()) or 0, nonce="other")
    write(path, stale())

    def judged(*_: object) -> bool:
        monkeypatch.undo()
        write(path, other)
        return True

    monkeypatch.setattr(lease, "_is_gone", judged)
    with pytest.raises(HeldError):
        take(path)
    assert read_holder(path) == other


def test_a_file_system_that_denies_what_it_did_is_not_believed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def lying(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr(os, "link", lying)
    mine = take(path)
    assert read_holder(path) == mine


@pytest.mark.parametrize("left_over", [True, False])
def test_of_two_that_race_exactly_one_holds_it(path: Path, left_over: bool) -> None:
    for _ in range(3):
        path.unlink(missing_ok=True)
        if left_over:
            write(path, stale())
        command = [sys.executable, "-c", RACER, str(path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        racers = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]  # type: ignore[call-overload]
        try:
            for racer in racers:
                assert racer.stdout.readline() == "ready\n"
            for racer in racers:
                racer.stdin.write("\n")
                racer.stdin.flush()
            answers = sorted(racer.stdout.readline().strip() for racer in racers)
            holder = read_holder(path)
        finally:
            for racer in racers:
                racer.kill()
                racer.communicate()
        assert answers == ["held", "refused"]
        assert holder is not None
        assert holder.pid in {racer.pid for racer in racers}
