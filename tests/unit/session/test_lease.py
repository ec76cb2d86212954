"""One daemon a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from monitord.session import lease
from monitord.session.lease import (
    QUIET_SECONDS,
    STALE_SECONDS,
    VALID_SECONDS,
    HeldError,
    Holder,
    Signs,
    acquire,
    highest_term,
    is_alive_here,
    process_start,
    read_holder,
    release,
)
from monitord.system.fresh_listing import no_refresh

HOST = "mel0001"
NOW = 1_700_000_000.0
RACER = """
import sys, time
from pathlib import Path
from monitord.session.lease import HeldError, Signs, acquire
from monitord.system.fresh_listing import no_refresh
path = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    acquire(path, "mel0001", 1.7e9, Signs(lambda: None, time.sleep, refresh=no_refresh))
    print("held", flush=True)
    sys.stdin.readline()
except HeldError:
    print("refused", flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lease"


def take(folder: Path, host: str = HOST) -> Holder:
    def unexpected(_: float) -> None:
        pytest.fail("waited for a holder that can be judged at once")

    return acquire(folder, host, NOW, Signs(lambda: None, unexpected, refresh=no_refresh))


def write(folder: Path, holder: Holder) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{holder.term}.json").write_text(json.dumps(asdict(holder)))


def stale(host: str = HOST, term: int = 1, job: str | None = None) -> Holder:
    """A holder whose pid belongs to another process now: this one, which started at another time."""
    started = (process_start(os.getpid()) or 0) - 1
    return Holder(host, os.getpid(), started, "long ago", "old", term, job)


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_the_first_one_holds_it_and_the_second_learns_who_does(folder: Path) -> None:
    mine = take(folder)
    assert read_holder(folder) == mine
    assert is_alive_here(mine, HOST)
    with pytest.raises(HeldError, match=rf"host mel0001, pid {os.getpid()}, since 2023-11-14T22:13:20"):
        take(folder)
    assert read_holder(folder) == mine
    assert files(folder) == ["1.json"]


def test_a_session_that_was_never_run_has_no_holder(folder: Path) -> None:
    assert read_holder(folder) is None
    assert highest_term(folder) is None


def test_released_is_free_and_only_the_holder_releases(folder: Path) -> None:
    mine = take(folder)
    release(folder, replace(mine, nonce="other"))
    assert read_holder(folder) == mine
    release(folder, mine)
    release(folder, mine)
    assert read_holder(folder) is None
    assert take(folder).term == mine.term + 1


def test_terms_only_grow_whatever_becomes_of_their_holders(folder: Path) -> None:
    terms = []
    for _ in range(12):  # past 9, which sorts after 10 as text
        mine = take(folder)
        terms.append(mine.term)
        release(folder, mine)
    assert terms == list(range(1, 13))
    assert files(folder) == ["12.json"]
    write(folder, stale(term=20))
    assert take(folder).term == 21


def test_a_pid_that_was_given_to_another_process_is_not_the_holder(folder: Path) -> None:
    write(folder, stale())
    mine = take(folder)
    assert read_holder(folder) == mine
    assert files(folder) == ["2.json"]


def test_a_process_that_ended_is_not_the_holder(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = process_start(process.pid)
        assert started is not None
        write(folder, Holder(HOST, process.pid, started, "now", "n", 1))
        with pytest.raises(HeldError):
            take(folder)
        process.kill()
    assert process_start(process.pid) is None
    take(folder)


def test_a_living_heartbeat_on_another_host_is_respected(folder: Path) -> None:
    write(folder, stale("mel0002", job="7"))
    beats, waited = iter(range(100)), list[float]()
    signs = Signs(lambda: next(beats), waited.append, lambda _: False, refresh=no_refresh)
    with pytest.raises(HeldError, match=rf"host mel0002, pid {os.getpid()}, Slurm job 7, since"):
        acquire(folder, HOST, NOW, signs)
    assert sum(waited) < QUIET_SECONDS
    assert files(folder) == ["1.json"]


@pytest.mark.parametrize(
    ("job", "queued", "patience"),
    [
        (None, False, STALE_SECONDS),
        ("7", True, STALE_SECONDS),
        ("7", None, STALE_SECONDS),  # Slurm does not say
        ("7", False, QUIET_SECONDS),
    ],
)
@pytest.mark.parametrize("last_beat", [None, "2026-01-01T00:00:00Z"])
def test_a_heartbeat_that_stands_still_is_a_holder_that_is_gone(
    folder: Path, last_beat: str | None, job: str | None, queued: bool | None, patience: float
) -> None:
    write(folder, stale("mel0002", job=job))
    waited: list[float] = []
    asked: list[str] = []

    def is_queued(job_id: str) -> bool | None:
        asked.append(job_id)
        return queued

    mine = acquire(folder, HOST, NOW, Signs(lambda: last_beat, waited.append, is_queued, refresh=no_refresh))
    assert read_holder(folder) == mine
    assert sum(waited) == patience + VALID_SECONDS
    assert asked == [job] * (job is not None)


def test_a_heartbeat_that_comes_late_is_a_heartbeat(folder: Path) -> None:
    write(folder, stale("mel0002"))
    waited: list[float] = []
    with pytest.raises(HeldError):
        acquire(folder, HOST, NOW, Signs(lambda: len(waited) > 20, waited.append, refresh=no_refresh))


@pytest.mark.parametrize("host", [HOST, "mel0002"])
def test_what_is_being_deleted_is_no_daemons_however_long_nothing_is_seen_of_it(
    folder: Path, host: str
) -> None:
    write(folder, replace(stale(host), deletes=True))
    with pytest.raises(
        HeldError, match=r"this session is being deleted: host .* finish it with: monitord delete"
    ):
        take(folder)
    waited: list[float] = []
    mine = acquire(folder, HOST, NOW, Signs(lambda: None, waited.append, refresh=no_refresh), deletes=True)
    assert sum(waited) == (STALE_SECONDS + VALID_SECONDS if host != HOST else 0)
    assert read_holder(folder) == mine
    assert mine.deletes


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"host": "h"}', b'{"new_field": 1}', b"\xff"])
def test_a_lease_that_cannot_be_read_is_an_error(folder: Path, content: bytes) -> None:
    folder.mkdir()
    path = folder / "3.json"
    path.write_bytes(content)
    assert read_holder(folder) is None
    with pytest.raises(HeldError, match="is not a lease of this version"):
        take(folder)
    assert path.read_bytes() == content


def test_a_file_system_that_denies_what_it_did_is_not_believed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def lying(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr(os, "link", lying)
    mine = take(folder)
    assert read_holder(folder) == mine


def test_a_term_that_later_ones_had_removed_is_withdrawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was the next when the holder was judged; before it is created, two others came and tidied up."""
    write(folder, stale())
    other = replace(stale(term=3), process_started=process_start(os.getpid()) or 0, nonce="other")

    def judged(*_: object) -> bool:
        monkeypatch.undo()
        (folder / "1.json").unlink()
        write(folder, other)
        return False

    monkeypatch.setattr(lease, "_judge", judged)
    with pytest.raises(HeldError):
        take(folder)
    assert read_holder(folder) == other
    assert files(folder) == ["3.json"]


def test_what_a_crash_left_behind_goes_with_the_next_takeover(folder: Path) -> None:
    write(folder, stale())
    (folder / ".tmp-left").write_text("{}")
    take(folder)
    assert files(folder) == ["2.json"]


@pytest.mark.parametrize("left_over", [True, False])
def test_of_three_that_race_exactly_one_holds_it(tmp_path: Path, left_over: bool) -> None:
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        if left_over:
            write(folder, stale())
        command = [sys.executable, "-c", RACER, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        racers = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]  # type: ignore[call-overload]
        try:
            for racer in racers:
                assert racer.stdout.readline() == "ready\n"
            for racer in racers:
                racer.stdin.write("\n")
                racer.stdin.flush()
            answers = sorted(racer.stdout.readline().strip() for racer in racers)
            holder = read_holder(folder)
        finally:
            for racer in racers:
                racer.kill()
                racer.communicate()
        assert answers == ["held", "refused", "refused"]
        assert holder is not None
        assert holder.pid in {racer.pid for racer in racers}
