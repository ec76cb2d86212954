"""The daemon's parent in a batch job: passes signals on, and starts the daemon again when it crashed.

It does nothing else, so that there is little in it to crash; the daemon, and Prometheus with it, dies
with it. It is what the batch script becomes (`exec`): the process that Slurm warns and ends.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from monitord.children import Child
from monitord.restarts import Again, after_end, shell_code

ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
PASSED_ON = ENDING | {signal.SIGHUP, signal.SIGUSR1}
LOOK_SECONDS = 1.0


def run_supervised(start: Callable[[], Child]) -> int:
    """Run a daemon until it ends for good; return its exit code, as shells have it."""
    with _held_back(PASSED_ON | {signal.SIGCHLD}):
        return _Parent(start).run()


@dataclass(slots=True)
class _Parent:
    start: Callable[[], Child]
    is_ending: bool = False
    failures: int = 0

    def run(self) -> int:
        while True:
            child, started = self.start(), time.monotonic()
            code = self._attend(child)
            if self.is_ending:
                return shell_code(code)
            match after_end(code, time.monotonic() - started, self.failures):
                case Again(pause, failures):
                    self.failures = failures
                    _say(f"the daemon {_describe(code)}; it is started again in {pause:g} s")
                    if not self._pause(pause):
                        return shell_code(code)
                case over:
                    if over.code:
                        _say(f"the daemon {_describe(code)}; it is not started again")
                    return over.code

    def _attend(self, child: Child) -> int:
        """Pass signals on until the child has ended; return how it did."""
        while (code := child.poll()) is None:
            number = _next_signal(LOOK_SECONDS)
            if number in PASSED_ON:
                self.is_ending = self.is_ending or number in ENDING
                child.signal(number)
        return code

    def _pause(self, seconds: float) -> bool:
        """Wait before the next start; return False when told to end. A warning cuts it short."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            number = _next_signal(left)
            if number in ENDING:
                return False
            if number == signal.SIGUSR1:
                break
        return True


@contextmanager
def _held_back(numbers: frozenset[signal.Signals]) -> Iterator[None]:
    """Have signals wait until they are asked for: none is lost, none interrupts anything."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _next_signal(seconds: float) -> signal.Signals | None:
    received = signal.sigtimedwait(PASSED_ON | {signal.SIGCHLD}, seconds)
    return None if received is None else signal.Signals(received.si_signo)


def _describe(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _say(text: str) -> None:
    sys.stderr.write(f"monitord: {text}\n")
    sys.stderr.flush()
