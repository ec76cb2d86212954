"""Whether the last scrapes of windows have landed: one query on a thread, for all windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from monitord.collect.request import ExpectedTarget
from monitord.collect.settle import are_settled
from monitord.errors import MonitordError
from monitord.prometheus.api.series import Answer
from monitord.system.background import Background, Run, on_a_thread
from monitord.system.clock import Clock

PAUSE_SECONDS = 0.2


@dataclass(slots=True)
class Settling:
    """The time of each target's last scrape, as Prometheus last reported it.

    `last_scrapes` queries Prometheus, on a thread; `targets` returns the targets expected of a window that
    ends at a time (Unix seconds); `wake` is called when there is an answer.
    """

    clock: Clock
    last_scrapes: Callable[[], Answer]
    targets: Callable[[float], Iterable[ExpectedTarget]]
    wake: Callable[[], None]
    run: Run = on_a_thread
    _question: Background[Answer] = field(init=False)
    _known: Answer | None = None
    _not_before: float = float("-inf")

    def __post_init__(self) -> None:
        self._question = Background(self.wake, self.run)

    def is_settled(self, end: float) -> bool:
        """Return whether every target is known to have been scraped after `end` (Unix seconds).

        While that is not known, Prometheus is queried again.
        """
        self._take()
        if self._known is not None and are_settled(self.targets(end), self._known, end):
            return True
        now = self.clock.monotonic()
        if now >= self._not_before and not self._question.is_busy:
            self._not_before = now + PAUSE_SECONDS
            self._question.ask(self.last_scrapes)
        return False

    def _take(self) -> None:
        answer = self._question.take()
        if answer is not None:
            try:
                self._known = answer.result()
            except MonitordError:  # its supervision reports that
                self._known = None
