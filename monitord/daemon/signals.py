"""Signals as calls. A handler only asks the loop to act."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

REPEATED_SECONDS = 3.0


@contextmanager
def handled(actions: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Have each signal call its action, which must be safe in a handler; restore the handlers afterwards."""
    before = {number: signal.getsignal(number) for number in actions}
    for number, act in actions.items():
        signal.signal(number, _calling(act))
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@dataclass(slots=True)
class Debounced:
    """An action that ignores calls within REPEATED_SECONDS of the last one.

    At its limit Slurm sends SIGTERM to all processes of a job, and the daemon's parent passes on another.
    """

    act: Callable[[], None]
    monotonic: Callable[[], float]
    _called_at: float = float("-inf")

    def __call__(self) -> None:
        now = self.monotonic()
        if now - self._called_at >= REPEATED_SECONDS:
            self.act()
        self._called_at = now


def _calling(act: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: act()
