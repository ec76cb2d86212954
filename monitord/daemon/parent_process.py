"""The daemon's parent in a batch job: it passes signals on, and restarts the daemon after a crash.

It does nothing else, so that there is little in it to crash; the daemon, and Prometheus with it, dies with
it. It opens no file, and goes on when no process can be created. The batch script becomes this process
(`exec`), which Slurm then warns and ends.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from monitord.daemon.parent_restarts import Restart, Tries, after_end, shell_code
from monitord.errors import ExitCode, is_passing
from monitord.system.children import Child

ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
PASSED_ON = ENDING | {signal.SIGHUP, signal.SIGUSR1}
LOOK_SECONDS = 1.0


def run_supervised(start: Callable[[], Child]) -> int:
    """Run a daemon until it ends for good; return its exit code as a shell would."""
    with _blocked(PASSED_ON | {signal.SIGCHLD}):
        return _Parent(start).run()


@dataclass(slots=True)
class _Parent:
    start: Callable[[], Child]
    is_ending: bool = False
    tries: Tries = field(default_factory=Tries)

    def run(self) -> int:
        while True:
            started = time.monotonic()
            code = self._run_once()
            if self.is_ending:
                return shell_code(code)
            match after_end(code, time.monotonic() - started, self.tries):
                case Restart(pause, tries):
                    self.tries = tries
                    _print(f"the daemon {_describe(code)}; it is started again in {pause:g} s")
                    if not self._pause(pause):
                        return shell_code(code)
                case over:
                    if over.code:
                        _print(f"the daemon {_describe(code)}; it is not started again")
                    return over.code

    def _run_once(self) -> int:
        """Run the daemon once; return its exit code, -N for signal N."""
        try:
            child = self.start()
        except Exception as error:  # noqa: BLE001  # a failed fork, say: nothing may end the parent
            _print(f"the daemon cannot be started: {error}")
            return ExitCode.TRY_AGAIN if is_passing(error) else ExitCode.DEFECT
        return self._relay_signals(child)

    def _relay_signals(self, child: Child) -> int:
        """Pass signals on until the child has ended; return its exit code."""
        while (code := child.poll()) is None:
            number = _next_signal(LOOK_SECONDS)
            if number in PASSED_ON:
                self.is_ending = self.is_ending or number in ENDING
                child.signal(number)
        return code

    def _pause(self, seconds: float) -> bool:
        """Wait before the next start; return False on a signal to end. SIGUSR1 cuts it short."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            number = _next_signal(left)
            if number in ENDING:
                return False
            if number == signal.SIGUSR1:
                break
        return True


@contextmanager
def _blocked(numbers: frozenset[signal.Signals]) -> Iterator[None]:
    """Block signals, which `_next_signal` then takes: none is lost, and none interrupts anything."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _next_signal(seconds: float) -> signal.Signals | None:
    received = signal.sigtimedwait(PASSED_ON | {signal.SIGCHLD}, seconds)
    return None if received is None else signal.Signals(received.si_signo)


def _describe(code: int) -> str:
    if code == ExitCode.TRY_AGAIN:
        return f"cannot run at this moment (exit code {code})"
    if code >= 0:
        return f"ended with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was ended by {names.get(-code, f'signal {-code}')}"


def _print(text: str) -> None:
    with suppress(OSError, ValueError):  # a full disk, or closed
        sys.stderr.write(f"monitord: {text}\n")
        sys.stderr.flush()
