"""Looking names up: at once where they are known, and never for long where they are not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from monitord.targets.host_lookup import KNOWN_SECONDS, THREADS, UNKNOWN_SECONDS, HostLookup, look_up
from tests.conftest import wait_until
from tests.fakes.clock import FakeClock
from tests.fakes.threads import Threads

LONG = 30.0


@dataclass
class NameServer:
    """Knows some names, and answers for those that are held up only once they are released."""

    known: dict[str, str] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        if name in self.held:
            self.held[name].wait(LONG)
        return (self.known[name],) if name in self.known else ()

    def hold(self, *names: str) -> None:
        self.held |= {name: threading.Event() for name in names}

    def release(self) -> None:
        for event in self.held.values():
            event.set()


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer({"a": "10.0.0.1", "b": "10.0.0.2"})
    yield server
    server.release()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def names(server: NameServer, clock: FakeClock) -> HostLookup:
    return HostLookup(clock, server)


def test_names_that_have_an_address_are_returned_with_it(names: HostLookup) -> None:
    assert names(["a", "b", "nowhere"], LONG) == {"a": ("10.0.0.1",), "b": ("10.0.0.2",)}
    assert names([], LONG) == {}


def test_an_answer_is_kept_for_a_while_the_shorter_where_there_is_none(
    names: HostLookup, server: NameServer, clock: FakeClock
) -> None:
    names(["a", "nowhere"], LONG)
    clock.advance(UNKNOWN_SECONDS - 1)
    names(["a", "nowhere"], LONG)
    assert sorted(server.asked) == ["a", "nowhere"]
    clock.advance(1)
    names(["a", "nowhere"], LONG)
    assert sorted(server.asked) == ["a", "nowhere", "nowhere"]
    clock.advance(KNOWN_SECONDS)
    server.known["a"] = "10.0.0.9"
    assert names(["a"], LONG) == {"a": ("10.0.0.9",)}


def test_what_does_not_come_in_time_is_left_out_and_known_later(
    names: HostLookup, server: NameServer
) -> None:
    server.hold("a")
    assert names(["a", "b"], 0.2) == {"b": ("10.0.0.2",)}
    assert names(["a"], LONG) == {}, "it is not waited for twice"
    server.release()
    assert wait_until(lambda: names(["a"], 0.0), "the late answer") == {"a": ("10.0.0.1",)}
    assert server.asked.count("a") == 1


def test_names_that_hang_hold_up_no_others(names: HostLookup, server: NameServer) -> None:
    hanging = [f"slow{number}" for number in range(THREADS - 1)]
    server.hold(*hanging)
    assert names(hanging, 0.0) == {}
    wait_until(lambda: len(server.asked) == len(hanging), "all of them to be under way")
    assert names(["a"], LONG) == {"a": ("10.0.0.1",)}


def test_the_newest_question_is_answered_first(names: HostLookup, server: NameServer) -> None:
    hanging = [f"slow{number}" for number in range(THREADS)]
    server.hold(*hanging)
    names(hanging, 0.0)
    wait_until(lambda: len(server.asked) == THREADS, "all threads to be busy")
    names([f"other{number}" for number in range(100)], 0.0)
    names(["a"], 0.0)
    server.release()
    wait_until(lambda: len(server.asked) == THREADS + 101, "all answers")
    assert server.asked.index("a") < 2 * THREADS


def test_this_machine_knows_itself_and_not_what_nobody_is_called() -> None:
    assert "127.0.0.1" in look_up("localhost")
    assert look_up("a" * 64 + ".invalid") == ()


def test_without_a_thread_nothing_is_known_and_a_later_call_starts_one(
    server: NameServer, clock: FakeClock
) -> None:
    threads = Threads(are_left=False)
    names = HostLookup(clock, server, threads)
    for _ in range(THREADS):
        assert names(["a", "b"], 0.1) == {}
    threads.are_left = True
    wait_until(lambda: len(names(["a", "b"], 0.0)) == 2, "both")
    threads.are_left = False
    assert names(["a", "b", "c"], LONG) == {"a": ("10.0.0.1",), "b": ("10.0.0.2",)}, "those there are go on"
    assert server.asked.count("c") == 1


def test_a_look_up_that_fails_ends_no_thread(clock: FakeClock) -> None:
    def look_up(name: str) -> tuple[str, ...]:
        if name == "bad":
            raise MemoryError
        return (name,)

    names = HostLookup(clock, look_up)
    for number in range(2 * THREADS):
        clock.advance(UNKNOWN_SECONDS)
        assert names(["bad", f"good{number}"], LONG) == {f"good{number}": (f"good{number}",)}
