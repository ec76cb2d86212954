"""Asking Prometheus for the health of the targets: on a thread, and at limited cost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from monitord.daemon.targets import TargetReconciler
from monitord.errors import PassingError, PrometheusError
from monitord.prometheus.api.client import PrometheusClient
from monitord.system.background import NO_THREAD_SECONDS, Background, Run, on_a_thread
from monitord.system.clock import Clock
from monitord.targets.scrape_health import (
    DOWN_SECONDS,
    SETTLED_SECONDS,
    HealthKey,
    ScrapeHealth,
    next_poll,
    read_healths,
)

# With tens of thousands of targets one answer costs half a second of CPU time. The pause after it is so long
# that the cost stays well below one percent.
COST_FACTOR = 200.0
TIMEOUT_SECONDS = 20.0
UNDER_WAY_SECONDS = 60.0
HOW_MANY = 'count_values("up", up)'

Healths = dict[HealthKey, ScrapeHealth]


@dataclass(slots=True)
class HealthPoll:
    """Asks one question at a time, on a thread, and passes the answer on to the targets."""

    clock: Clock
    targets: TargetReconciler
    connect: Callable[[float], PrometheusClient]
    is_ready: Callable[[], bool]
    wake: Callable[[], None]
    run: Run = on_a_thread
    _question: Background[tuple[Healths, float]] = field(init=False)
    _healths: Healths = field(default_factory=dict)
    _not_before: float = 0.0

    def __post_init__(self) -> None:
        self._question = Background(self.wake, self.run)

    def poll(self) -> float:
        """Ask, or pass the answer on; return in how many seconds this is due again."""
        now = self.clock.monotonic()
        answer = self._question.take()
        if answer is not None:
            return self._take(answer, now)
        if self._question.is_busy:
            return UNDER_WAY_SECONDS
        if not self.is_ready():
            return 1.0
        if now < self._not_before:
            return self._not_before - now
        known = self._healths
        all_up = bool(known) and next_poll(self.targets.registry, known) == SETTLED_SECONDS
        is_asked = self._question.ask(self._confirm if all_up else self._ask)
        return UNDER_WAY_SECONDS if is_asked else NO_THREAD_SECONDS

    def start_over(self) -> None:
        """Ask at the next poll: Prometheus was restarted, and its answers may cost another time."""
        self._not_before = 0.0
        self._healths = {}
        self._question.forget()

    def _confirm(self) -> tuple[Healths, float]:
        """Ask how many targets are up, which is cheap, and for details only when some are not."""
        asked, known = self.clock.monotonic(), self._healths
        with self.connect(TIMEOUT_SECONDS) as client:
            counts = {series.labels["up"]: series.value for series in client.query(HOW_MANY).series}
        return (known, self.clock.monotonic() - asked) if counts == {"1": len(known)} else self._ask()

    def _ask(self) -> tuple[Healths, float]:
        asked = self.clock.monotonic()
        with self.connect(TIMEOUT_SECONDS) as client:
            healths = read_healths(client.targets_json())
        return healths, self.clock.monotonic() - asked

    def _take(self, answer: Future[tuple[Healths, float]], now: float) -> float:
        try:
            healths, cost = answer.result()
        except (PrometheusError, PassingError):
            return DOWN_SECONDS  # its supervision reports that
        self._healths = healths
        self.targets.set_healths(healths)
        self._not_before = now + cost * COST_FACTOR
        return max(next_poll(self.targets.registry, healths), cost * COST_FACTOR)
