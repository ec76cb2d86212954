"""The end of the daemon's allocation: known, published, warned of, and acted on in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from monitord.errors import PassingError, SlurmError
from monitord.slurm.allocation import Allocation, Margins, Stage, seconds_to_close, seconds_to_next, stage
from monitord.slurm.job import Job
from monitord.system.background import NO_THREAD_SECONDS, Background, Run, on_a_thread
from monitord.system.clock import Clock
from monitord.system.timestamps import to_iso

# The limit can be changed while the job runs. That is rare, and every query costs the controller.
ASK_EVERY_SECONDS = 60.0


@dataclass(slots=True)
class AllocationWatch:
    """Watches the time until the end of the allocation; `close` is called once when it is time to end.

    `ask` returns the job as Slurm knows it, or raises SlurmError; it is called on a thread.
    """

    allocation: Allocation | None
    configured: Margins
    clock: Clock
    log: FilteringBoundLogger
    ask: Callable[[str], Job | None]
    close: Callable[[], None]
    wake: Callable[[], None]
    run: Run = on_a_thread
    ends_at: float | None = None
    is_closing: bool = False
    margins: Margins = field(init=False)
    _asking: Background[Job | None] = field(init=False)
    _asked_at: float = float("-inf")
    _is_warned: bool = False
    _stage: Stage = Stage.FAR
    _failure: str = ""

    def __post_init__(self) -> None:
        self.margins = self.configured
        self._asking = Background(self.wake, self.run)
        self.ends_at = self.allocation.ends_at if self.allocation else None

    def step(self) -> float:
        """Do one round; return in how many seconds the next is due."""
        if self._is_warned:
            self._close("signal")
        if self.allocation is None:
            return float("inf")
        self._take_answer()
        now = self.clock.now()
        due = self._ask(self.clock.monotonic())
        self._follow_stage(stage(self.ends_at, now, self.margins), now)
        return min(seconds_to_next(self.ends_at, now, self.margins), due)

    def _ask(self, monotonic: float) -> float:
        """Ask Slurm when that is due; return in how many seconds it is due again."""
        if self.allocation is None or self._asking.is_busy or monotonic - self._asked_at < ASK_EVERY_SECONDS:
            return ASK_EVERY_SECONDS
        job_id = self.allocation.job_id
        if not self._asking.ask(lambda: self.ask(job_id)):
            return NO_THREAD_SECONDS
        self._asked_at = monotonic
        return ASK_EVERY_SECONDS

    def warn(self) -> None:
        """Handle Slurm's signal that the end is near. Safe in a signal handler."""
        self._is_warned = True
        self.wake()

    @property
    def seconds_left(self) -> float:
        """How long open windows may take to be collected."""
        return seconds_to_close(self.ends_at, self.clock.now())

    def _take_answer(self) -> None:
        answer = self._asking.take()
        if answer is None:
            return
        try:
            job = answer.result()
        except (SlurmError, PassingError) as error:
            if str(error) != self._failure:
                self.log.warning("allocation.unknown", reason=str(error))
            self._failure = str(error)
            return
        self._failure = ""
        ends_at = job.ends_at if job else None
        if job and ends_at is not None and ends_at != self.ends_at:
            if job.starts_at is not None:
                self.margins = self.configured.within(ends_at - job.starts_at)
            moved = self.ends_at is not None and abs(ends_at - self.ends_at) > 1
            self.log.info("allocation.moved" if moved else "allocation.known", ends_at=to_iso(ends_at))
            self.ends_at = ends_at

    def _follow_stage(self, now_at: Stage, now: float) -> None:
        if now_at is Stage.NEAR and self._stage is Stage.FAR and self.ends_at is not None:
            self.log.warning(
                "allocation.ending", ends_at=to_iso(self.ends_at), seconds_left=round(self.ends_at - now)
            )
        self._stage = now_at
        if now_at is Stage.CLOSING:
            self._close("clock")

    def _close(self, trigger: str) -> None:
        if not self.is_closing:
            self.is_closing = True
            ends_at = None if self.ends_at is None else to_iso(self.ends_at)
            self.log.warning("allocation.closing", ends_at=ends_at, trigger=trigger)
            self.close()
