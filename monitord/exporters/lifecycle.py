"""Deciding what to do about one exporter's process. Pure.

It is started, has some time to answer, and is started again when it has ended: after a second at first, later
after a minute at most. Once it has run for a minute, its failures are forgotten.
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
    """The phases of an exporter."""

    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"


class Action(StrEnum):
    """What the caller must do about its process."""

    NOTHING = "nothing"
    START = "start"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Life:
    """An exporter's phase, when it began, and how often in a row the exporter has failed."""

    phase: Phase = Phase.WAITING
    since: float = 0.0
    failures: int = 0

    @property
    def pause(self) -> float:
        """How long to wait before the next start."""
        return BACKOFF.seconds(self.failures)

    def next_look(self, now: float) -> float | None:
        """Return in how many seconds to look again; None when only its end matters."""
        if self.phase is Phase.WAITING:
            return max(self.since + self.pause - now, 0.0)
        return LOOK_SECONDS if self.phase is Phase.STARTING else None


def step(life: Life, now: float, *, runs: bool, answers: bool) -> tuple[Life, Action]:
    """Return the next phase of an exporter, and what to do."""
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
