"""What all kinds of KPI have in common: the classes that they derive from, and what they read and return.

A kind is an object without state, with its own module in `kinds/`. It defines which stats it has and in
which units, what a recipe must contain, and what is read. How the samples are measured is in `readings/`,
which a kind imports only when it measures: the daemon and the commands check recipes, and need no numpy for
it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.promql import session_matchers
from monitord.kpis.span import Query, Span

if TYPE_CHECKING:
    from monitord.kpis.readings.distinct import Mergeable
    from monitord.kpis.readings.target_samples import Metric, TargetSamples
    from monitord.prometheus.api.sample_block import HistogramSeries
    from monitord.prometheus.api.series import Answer


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
    def buckets(self) -> str | None: ...
    @property
    def expr(self) -> str | None: ...
    @property
    def scale(self) -> float: ...
    @property
    def stats(self) -> Sequence[str]: ...
    @property
    def by(self) -> Sequence[str]: ...
    @property
    def distinct(self) -> Sequence[str]: ...


class Source(NamedTuple):
    """Series that a KPI is read from: a metric, and label matchers; `role` is what it is for."""

    role: str
    metric: str
    match: str = ""


class Reading(Protocol):
    """What was read of a KPI."""

    @property
    def groups(self) -> Collection[Group]:
        """All groups of which anything was read."""

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:
        """Estimate a stat over some of the groups, in the metric's own unit."""

    def over_time(self, stat: str, scope: str, groups: Collection[Group]) -> Sequence[float]:
        """Return the stat over each step, not a number where there is none; nothing without samples."""


class MetricReading(Reading, Protocol):
    """A reading of raw samples, to which one target after another is added."""

    def take(self, role: str, target: TargetSamples, metric: Metric) -> None:
        """Add one target's series of a source; columns are the successful scrapes."""

    def resets(self, group: Group) -> int | None:
        """Return the most resets of a counter of a group in the window; None without counters."""


class NativeReading(MetricReading, Protocol):
    """A reading that understands native histograms."""

    def take_native(self, target: TargetSamples, series: Sequence[HistogramSeries]) -> None:
        """Add one target's native histograms."""


class Kind(ABC):
    """One kind of KPI. A new kind derives from `MetricKind`, and is registered in `kinds`.

    `stats` are the stats it has; with `has_percentiles`, p50, p99 and so on as well. `merges` is true
    when the values of several targets can be merged.
    """

    name: ClassVar[str]
    stats: ClassVar[tuple[str, ...]]
    has_percentiles: ClassVar[bool] = False
    merges: ClassVar[bool] = True

    def check(self, kpi: KpiFields) -> None:
        """Raise ValueError with the first thing in the KPI that this kind does not allow."""
        self.check_source(kpi)
        self.check_divisor(kpi)
        self.check_buckets(kpi)
        for stat in kpi.stats:
            self.check_stat(kpi, stat)

    @abstractmethod
    def check_source(self, kpi: KpiFields) -> None:
        """Raise ValueError when what the KPI is read from is missing, or is not for this kind."""

    def check_divisor(self, kpi: KpiFields) -> None:
        if kpi.per is not None:
            raise ValueError("`per` is for kind counter only")

    def check_buckets(self, kpi: KpiFields) -> None:
        if kpi.buckets is not None:
            raise ValueError("`buckets` is for kind histogram only")

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

    @abstractmethod
    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        """Return by stat the PromQL that comes nearest, to be evaluated at the window's end."""


class MetricKind(Kind):
    """A kind that is read from the samples of one metric; `suffix` is that of series that it always has."""

    suffix: ClassVar[str] = ""

    def check_source(self, kpi: KpiFields) -> None:
        if kpi.expr is not None:
            raise ValueError(f"expr is for kind expr only; a {self.name} needs `metric`")
        if kpi.metric is None:
            raise ValueError(f"a {self.name} needs a metric")

    def required_metrics(self, kpi: KpiFields, native: bool) -> tuple[tuple[str, ...], ...]:  # noqa: ARG002
        return ((f"{kpi.metric}{self.suffix}",),)

    @abstractmethod
    def sources(self, kpi: KpiFields) -> tuple[Source, ...]:
        """Return what the KPI is read from."""

    def native_source(self, kpi: KpiFields) -> Source | None:  # noqa: ARG002
        """Return the native histograms that the KPI is read from, if it can be."""
        return None

    def reading(self, kpi: KpiFields, span: Span) -> MetricReading:
        """Return a reading without any samples, in which what is distinct counts once."""
        if not kpi.distinct:
            return self.new_reading(kpi, span)
        from monitord.kpis.readings.distinct import DistinctReading

        return DistinctReading(partial(self.new_reading, kpi, span), kpi.distinct, span)

    @abstractmethod
    def new_reading(self, kpi: KpiFields, span: Span) -> Mergeable:
        """Return a reading without any samples, in which every series counts."""

    def native_reading(self, reading: MetricReading) -> NativeReading | None:  # noqa: ARG002
        """Return the reading if it takes native histograms."""
        return None


class QueryKind(Kind):
    """A kind that Prometheus evaluates."""

    @abstractmethod
    def queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        """Return the queries for the whole window, by scope."""

    @abstractmethod
    def queries_over_time(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        """Return the queries for each step, by scope."""

    @abstractmethod
    def read(self, whole: Mapping[str, Answer], over_time: Mapping[str, Answer], span: Span) -> Reading:
        """Read the answers, by scope."""


def once(kpi: KpiFields, promql: str, *also: str) -> str:
    """Return PromQL in which what is distinct counts once; of each the largest."""
    return f"max by ({', '.join((*kpi.distinct, *also))}) ({promql})" if kpi.distinct else promql


def selector(kpi: KpiFields, services: tuple[str, ...], span: Span, suffix: str = "") -> str:
    """Return the PromQL selector of a KPI's metric, narrowed to the session, its services and `match`."""
    matchers = filter(None, (session_matchers(span.session, services), kpi.match))
    return f"{kpi.metric}{suffix}{{{','.join(matchers)}}}"
