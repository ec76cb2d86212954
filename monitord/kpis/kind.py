"""What all kinds of KPI have in common: the class that they derive from, and what it reads and returns.

A kind is an object without state, with its own module in `kinds/`. It defines which stats it has and in
which units, what a recipe must contain, which queries are sent, and how the answers are read.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import ClassVar, Protocol

from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group
from monitord.kpis.promql import GROUPING, session_matchers
from monitord.kpis.span import InstantQuery, Query, Span
from monitord.prometheus.api.series import Answer

Answers = Mapping[str, Answer]  # by role: what each query is for

_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,3})?)", re.ASCII)


class KpiFields(Protocol):
    """The fields of a KPI in a recipe that its kind depends on."""

    @property
    def unit(self) -> str: ...
    @property
    def metric(self) -> str | None: ...
    @property
    def match(self) -> str | None: ...
    @property
    def per(self) -> str | None: ...
    @property
    def expr(self) -> str | None: ...
    @property
    def scale(self) -> float: ...
    @property
    def stats(self) -> Sequence[str]: ...
    @property
    def by(self) -> Sequence[str]: ...


class Reading(Protocol):
    """A KPI's answers, read once."""

    @property
    def groups(self) -> Collection[Group]:
        """All groups that any of the answers has."""

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:
        """Estimate a stat over some of the groups, in the metric's own unit."""


class Kind(ABC):
    """One kind of KPI. A new kind derives from this or from `MetricKind`, and is registered in `kinds`.

    `stats` are the stats it has; with `has_percentiles`, p50, p99 and so on as well. `merges` is true
    when the values of several targets can be merged. Where they cannot, each scope has a query of its
    own, whose role is the scope's name.
    """

    name: ClassVar[str]
    stats: ClassVar[tuple[str, ...]]
    has_percentiles: ClassVar[bool] = False
    merges: ClassVar[bool] = True

    def check(self, kpi: KpiFields) -> None:
        """Raise ValueError with the first thing in the KPI that this kind does not allow."""
        self.check_source(kpi)
        self.check_divisor(kpi)
        for stat in kpi.stats:
            self.check_stat(kpi, stat)

    @abstractmethod
    def check_source(self, kpi: KpiFields) -> None:
        """Raise ValueError when what the KPI is read from is missing, or is not for this kind."""

    def check_divisor(self, kpi: KpiFields) -> None:
        if kpi.per is not None:
            raise ValueError("`per` is for kind counter only")

    def check_stat(self, kpi: KpiFields, stat: str) -> None:  # noqa: ARG002
        if stat not in self.stats and not (self.has_percentiles and quantile_of(stat)):
            more = ", p50, p99.9 and other percentiles" if self.has_percentiles else ""
            raise ValueError(f"a {self.name} has no stat {stat!r}; it has {', '.join(self.stats)}{more}")

    def unit_of(self, kpi: KpiFields, stat: str) -> str:  # noqa: ARG002
        """Return the unit of one stat."""
        return kpi.unit

    def scale_of(self, kpi: KpiFields, stat: str) -> float:  # noqa: ARG002
        """Return the factor from what is measured into the stat's unit."""
        return kpi.scale

    def stats_over_time(self, kpi: KpiFields) -> tuple[str, ...]:  # noqa: ARG002
        """Return the stats that are also computed for each step of the window, for plots."""
        return ("mean",)

    @abstractmethod
    def required_metrics(self, kpi: KpiFields, native: bool) -> tuple[tuple[str, ...], ...]:
        """Return sets of metrics: a window can have the KPI if it has all metrics of any one set.

        `native` includes native histograms. Empty when the metrics are not known.
        """

    def counter_suffixes(self, native: bool) -> tuple[str, ...]:  # noqa: ARG002
        """Return what to append to the KPI's metric to get the counters whose resets are counted."""
        return ()

    def resets_queries(
        self, kpi: KpiFields, services: tuple[str, ...], span: Span
    ) -> tuple[InstantQuery, ...]:
        """Return the queries for the most resets of a counter per target; none without counters."""
        by = ", ".join(GROUPING[:-1])
        counters = (selector(kpi, services, span, suffix) for suffix in self.counter_suffixes(span.native))
        return tuple(span.at_end(f"max by ({by}) (resets({counter}{span.whole}))") for counter in counters)

    def answer_size(self, native: bool) -> int:  # noqa: ARG002
        """Return how large an answer is, in multiples of one value per group."""
        return 1

    @abstractmethod
    def queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        """Return the queries that the KPI needs, by role.

        `monitord verify` evaluates them on the raw samples: with the aggregations of `collect/offline.py`
        and the functions of `collect/functions.py`.
        """

    @abstractmethod
    def read(self, answers: Answers, span: Span) -> Reading:
        """Read the answers to `queries`."""


class MetricKind(Kind):
    """A kind that is read from one metric. `suffix` is that of the series which is always there."""

    suffix: ClassVar[str] = ""

    def check_source(self, kpi: KpiFields) -> None:
        if kpi.expr is not None:
            raise ValueError(f"expr is for kind expr only; a {self.name} needs `metric`")
        if kpi.metric is None:
            raise ValueError(f"a {self.name} needs a metric")

    def required_metrics(self, kpi: KpiFields, native: bool) -> tuple[tuple[str, ...], ...]:  # noqa: ARG002
        return ((f"{kpi.metric}{self.suffix}",),)


def selector(
    kpi: KpiFields, services: tuple[str, ...], span: Span, suffix: str = "", matcher: str = ""
) -> str:
    """Return the PromQL selector of a KPI's metric, narrowed to the session, its services and `match`."""
    matchers = filter(None, (session_matchers(span.session, services), kpi.match, matcher))
    return f"{kpi.metric}{suffix}{{{','.join(matchers)}}}"


@lru_cache
def quantile_of(stat: str) -> float | None:
    """Return 0.999 for `p99.9`; None when the stat is no percentile between p0 and p100."""
    match = _PERCENTILE.fullmatch(stat)
    return float(Decimal(match[1]) / 100) or None if match else None
