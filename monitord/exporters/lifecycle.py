"""What to do about one exporter's process, from how it fares. Pure.

It is started, given some time to answer, and started again when it ended: after a second at first,
after a minute at most, until it has lived for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from monitord.system.backoff import Backoff

START_SECONDS = 30.0  # dcgm-exporter looks at every GPU before it answers
LOOK_SECONDS = 0.1  # between looks at one that is starting
STEADY_SECONDS = 60.0
BACKOFF = Backoff(first=1.0, longest=60.0)


class Phase(StrEnum):
    """Where an exporter stands."""

    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"


class Action(StrEnum):
    """What is to be done about its process."""

    NOTHING = "nothing"
    START = "start"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Life:
    """An exporter's phase, since when it is in it, and how often in a row it failed."""

    phase: Phase = Phase.WAITING
    since: float = 0.0
    failures: int = 0

    @property
    def pause(self) -> float:
        """How long it waits for its next start."""
        return BACKOFF.seconds(self.failures)

    def next_look(self, now: float) -> float | None:
        """In how many seconds there may be something to do; None when only its end will be."""
        if self.phase is Phase.WAITING:
            return max(self.since + self.pause - now, 0.0)
        return LOOK_SECONDS if self.phase is Phase.STARTING else None


def step(life: Life, now: float, *, runs: bool, answers: bool) -> tuple[Life, Action]:
    """Return what becomes of an exporter that is seen now, and what is to be done."""
    if life.phase is Phase.WAITING:
        due = now >= life.since + life.pause
        return (Life(Phase.STARTING, now, life.failures), Action.START) if due else (life, Action.NOTHING)
    if not runs:
        return _failed(life, now), Action.NOTHING
    if life.phase is Phase.STARTING and answers:
        return Life(Phase.UP, now, life.failures), Action.NOTHING
    if life.phase is Phase.STARTING and now - life.since >= START_SECONDS:
        return _failed(life, now), Action.KILL
    return life, Action.NOTHING


def _failed(life: Life, now: float) -> Life:
    was_steady = life.phase is Phase.UP and now - life.since >= STEADY_SECONDS
    return Life(Phase.WAITING, now, 1 if was_steady else life.failures + 1)
