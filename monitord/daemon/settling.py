"""Whether the last scrapes of windows have landed: asked beside the main loop, once for all windows."""

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
    """What Prometheus said last of when each target was scraped.

    `last_scrapes` asks it, on a thread; `targets` returns those expected of a window that ends at a
    moment (Unix seconds); `wake` is called when there is an answer.
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
        """Say whether every target is known to have been scraped after `end` (Unix seconds).

        While it is not, Prometheus is asked again; False is not known, too.
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
            except MonitordError:  # its supervision tells of that
                self._known = None
