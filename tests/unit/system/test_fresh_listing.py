"""Listings that a client keeps for longer than a lease is good."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitord.session.fence import Fence
from monitord.session.lease import VALID_SECONDS, HeldError, Holder, Signs, acquire, read_holder, release
from monitord.system.fresh_listing import end_cached_listing, listing_refresher, no_refresh
from tests.fakes.clock import FakeClock
from tests.fakes.old_listing import OldListing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "lease"
    folder.mkdir()
    return folder


def hold(folder: Path, host: str, refreshed: bool = True) -> Holder:
    see = end_cached_listing if refreshed else no_refresh
    return acquire(folder, host, 0.0, Signs(lambda: None, lambda _: None, refresh=see))


def test_it_leaves_nothing_behind(folder: Path) -> None:
    end_cached_listing(folder)
    assert not list(folder.iterdir())


def test_on_a_disk_of_this_machine_nothing_is_done(folder: Path) -> None:
    see = listing_refresher(folder)
    assert see is no_refresh
    before = folder.stat().st_mtime_ns
    see(folder)
    assert folder.stat().st_mtime_ns == before


def test_a_fence_sees_a_takeover_through_a_listing_that_is_kept(folder: Path) -> None:
    clock = FakeClock()
    fence = Fence(folder, hold(folder, "mel0001"), clock, end_cached_listing)
    with OldListing(folder) as client:
        fence.check()
        with client.another_client():
            hold(folder, "mel0002")
        clock.advance(VALID_SECONDS)
        with pytest.raises(HeldError, match="took this session over"):
            fence.check()


def test_the_client_that_is_imitated_would_let_it_pass(folder: Path) -> None:
    clock = FakeClock()
    fence = Fence(folder, hold(folder, "mel0001"), clock, no_refresh)
    with OldListing(folder) as client:
        fence.check()
        with client.another_client():
            hold(folder, "mel0002")
        clock.advance(VALID_SECONDS)
        fence.check()


def test_who_takes_over_judges_the_holder_that_there_is(folder: Path) -> None:
    first = hold(folder, "mel0001")
    with OldListing(folder) as client:
        assert read_holder(folder) == first
        with client.another_client():
            release(folder, first)
            second = hold(folder, "mel0002")
        # What is kept names a term that is gone: without an end to it this would go round and round.
        third = hold(folder, "mel0003")
    assert (second.term, third.term) == (2, 3)


def test_without_room_for_a_file_every_look_is_one_at_what_is_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, looks = FakeClock(), list[Path]()

    def no_room(where: Path) -> None:
        looks.append(where)
        raise OSError(28, os.strerror(28))

    fence = Fence(folder, hold(folder, "mel0001"), clock, no_room)
    fence.check()
    fence.check()
    assert looks == [folder, folder]
    hold(folder, "mel0002")
    with pytest.raises(HeldError):
        fence.check()
