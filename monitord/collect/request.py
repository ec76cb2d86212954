"""The request for a collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitord.collect.stall import Stall
from monitord.kpis.span import Span, most_parts
from monitord.prometheus.child.outages import Outage
from monitord.recipes.model import Recipe
from monitord.windows.model import Window


@dataclass(frozen=True, slots=True)
class ExpectedTarget:
    """A declared target, with the labels of its series (job, instance, client, …).

    `interval` is in seconds.
    """

    url: str
    labels: Mapping[str, str]
    interval: float


@dataclass(frozen=True, slots=True)
class CollectionRequest:
    """A closed window to measure.

    `targets` are those declared and in force at the window's end; `scrape_interval` (seconds) holds
    for targets that are not among them. `min_coverage` is the share of scrapes, from 0 to 1, below
    which a number is called partial, and `max_uncertainty` how far apart its bounds may be, as a share of it.
    `recipes` are those that may apply: which of them do depends on the metrics in the window, unless its
    marker names them. `outages` are those of Prometheus that touched the window, and `left_open` means that
    the server excludes a sample at the very start of a range. `native_histograms` means that it may have
    native histograms. `stalls` are the times in the window in which the session folder did not answer.
    `skew` (seconds) is how far the clock of the window's markers may differ from that of the scrapes.
    """

    session: str
    window: Window
    targets: tuple[ExpectedTarget, ...]
    scrape_interval: float
    min_coverage: float
    recipes: tuple[Recipe, ...]
    outages: tuple[Outage, ...] = ()
    left_open: bool = False
    native_histograms: bool = False
    stalls: tuple[Stall, ...] = ()
    max_uncertainty: float = 0.1
    skew: float = 0.0

    @property
    def whole(self) -> Span:
        """The window with its warm-up and cool-down: what is read and kept."""
        return self._span(self.window.start, self.window.end)

    @property
    def span(self) -> Span:
        """The part of the window that is measured."""
        return self._span(*self.window.measured())

    def span_of(self, recipe: Recipe) -> Span:
        """Return the part of the window that a recipe's KPIs are measured over."""
        return self._span(*self.window.measured(recipe.warmup or 0.0, recipe.cooldown or 0.0))

    def _span(self, start: float, end: float) -> Span:
        interval = max((self.scrape_interval, *(target.interval for target in self.targets)))
        return Span(
            self.session, start, end, interval, self.left_open, most_parts(len(self.targets)),
            self.native_histograms, self.skew,
        )  # fmt: skip
