"""Looking up host names, with a short time limit: a dead name server must not delay the daemon.

Names are looked up on a few threads, the newest first, so that one client's thousand names do not delay
another's. Names that are not known in time are left out; a later call returns them.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from monitord.errors import PassingError
from monitord.system.background import Run, on_a_thread
from monitord.system.clock import Clock

THREADS = 8
KNOWN_SECONDS = 300.0
UNKNOWN_SECONDS = 60.0
MAX_ANSWERS = 50_000


def look_up(name: str) -> tuple[str, ...]:
    """Return the addresses of a name, as this machine's C library has them; none when there are none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(sorted({str(address[0]) for *_, address in found}))


@dataclass(frozen=True, slots=True)
class _Answer:
    addresses: tuple[str, ...]
    until: float


class HostLookup:
    """The addresses of names, as far as they are known; asked by one thread."""

    def __init__(
        self, clock: Clock, look_up: Callable[[str], tuple[str, ...]] = look_up, run: Run = on_a_thread
    ) -> None:
        self._clock = clock
        self._look_up = look_up
        self._run = run
        self._changed = threading.Condition()
        self._answers: dict[str, _Answer] = {}
        self._asked: set[str] = set()  # until they are answered
        self._stack: list[str] = []
        self._threads = 0

    def __call__(self, names: Collection[str], patience: float) -> dict[str, tuple[str, ...]]:
        """Return the addresses of those names that have any; wait for answers `patience` seconds at most.

        Names from an earlier call are not waited for again.
        """
        with self._changed:
            now = self._clock.monotonic()
            if len(self._answers) > MAX_ANSWERS:
                self._answers.clear()
            new = {name for name in names if name not in self._asked and not self._is_fresh(name, now)}
            self._asked |= new
            self._stack += sorted(new)
            self._start_threads()
            self._changed.notify_all()
            if self._threads:  # else nobody answers before a later call could start one
                self._changed.wait_for(lambda: not new & self._asked, patience)
            answers = {name: self._answers[name].addresses for name in names if name in self._answers}
        return {name: addresses for name, addresses in answers.items() if addresses}

    def _is_fresh(self, name: str, now: float) -> bool:
        answer = self._answers.get(name)
        return answer is not None and now < answer.until

    def _start_threads(self) -> None:
        with suppress(PassingError):  # those there are, or the next call, get through all that is asked
            while self._threads < min(THREADS, len(self._asked)):
                self._run(self._work)
                self._threads += 1

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stack)
                name = self._stack.pop()
            try:
                addresses = self._look_up(name)
            except Exception:  # noqa: BLE001  # or this thread would end, and the name stay asked for
                addresses = ()
            with self._changed:
                seconds = KNOWN_SECONDS if addresses else UNKNOWN_SECONDS
                self._answers[name] = _Answer(addresses, self._clock.monotonic() + seconds)
                self._asked.discard(name)
                self._changed.notify_all()
