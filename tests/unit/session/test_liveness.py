"""Whether a daemon lives: by its process here, by a heartbeat that changes elsewhere, never by its age."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.session.folder import Session
from monitord.session.lease import HEARTBEAT_SECONDS, Holder, daemon_holder, process_start
from monitord.session.liveness import SILENCE_SECONDS, Watch, heartbeat_of
from tests.fakes.clock import FakeClock

THERE = Holder("mel0002", os.getpid(), 1, "now", "n", 1)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path, "s")
    session.create(b"session: s\n")
    return session


def hold(session: Session, holder: Holder) -> None:
    (session.lease / f"{holder.term}.json").write_text(json.dumps(asdict(holder)))


def beat(session: Session, content: str) -> None:
    session.daemon_status.write_text(content)


def test_no_holder_and_a_dead_one_are_known_at_once(session: Session) -> None:
    assert Watch(session).look() is False
    here = replace(THERE, host=socket.gethostname())
    hold(session, here)
    assert Watch(session).look() is False
    hold(session, replace(here, process_started=process_start(os.getpid()) or 0))
    assert Watch(session).look() is True


def test_who_deletes_a_session_is_no_daemon(session: Session) -> None:
    hold(session, replace(THERE, deletes=True))
    assert daemon_holder(session.lease) is None
    assert Watch(session).look() is False


@pytest.mark.parametrize("first", ["1970", "2999", None])
def test_a_heartbeat_that_changes_is_a_life_whatever_it_is_dated(session: Session, first: str | None) -> None:
    clock = FakeClock()
    hold(session, THERE)
    if first:
        beat(session, first)
    watch = Watch(session, clock.monotonic)
    assert watch.look() is None
    clock.advance(HEARTBEAT_SECONDS)
    assert watch.look() is None
    beat(session, "another")
    assert watch.look() is True
    clock.advance(SILENCE_SECONDS - 1)
    assert watch.look() is True
    clock.advance(1)
    assert watch.look() is False
    beat(session, "and another")
    assert watch.look() is True


def test_on_a_full_disk_its_time_alone_is_a_heartbeat(session: Session) -> None:
    beat(session, "as it was")
    before = heartbeat_of(session)
    os.utime(session.daemon_status, (1, 1))
    assert heartbeat_of(session) not in (before, None)


def test_until_it_is_known_takes_no_longer_than_silence(session: Session) -> None:
    clock = FakeClock()
    hold(session, THERE)
    assert not Watch(session, clock.monotonic).until_known(clock.advance)
    assert clock.elapsed == SILENCE_SECONDS


@given(gaps=st.lists(st.floats(0.1, 30.0), max_size=8))
def test_it_lives_for_as_long_as_no_gap_is_longer_than_silence(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float]
) -> None:
    session, clock = Session(tmp_path_factory.mktemp("root"), "s"), FakeClock()
    session.create(b"session: s\n")
    hold(session, THERE)
    watch = Watch(session, clock.monotonic)
    watch.look()
    for number, gap in enumerate(gaps):
        clock.advance(gap)
        assert (watch.look() is False) is (gap >= SILENCE_SECONDS)
        beat(session, str(number))
        assert watch.look() is True
