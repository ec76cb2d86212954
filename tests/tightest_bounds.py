"""The tightest bounds that a load's scrapes allow, by their definition: slowly, one sample after another.

This shares no code with what it checks. Bounds of sums, ratios and means take what each series counted at the
edges as independent of the others; those of a quantile are bucket bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from monitord.collect.summary import KpiRow
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span
from tests.fakes.sample_client import Stored
from tests.loads import TIMESTAMP_LEAD, Load, Service

READ_BEYOND = 3  # scrape intervals: samples further away from the window are not read
STARTED = "process_start_time_seconds"

Interval = tuple[float, float]


@dataclass(frozen=True)
class Counter:
    """A series at the successful scrapes of its target: `values` by the number of the scrape."""

    labels: dict[str, str]
    values: dict[int, float]


class Bucket(NamedTuple):
    """A bucket by itself: its edges, and the least and the most that it counted."""

    low: float
    high: float
    least: float
    most: float


class Scraped:
    """The successful scrapes of a service that are near enough to the window, and its counters."""

    def __init__(self, load: Load, service: Service, span: Span) -> None:
        self.slack = load.skew + TIMESTAMP_LEAD
        own = {each.labels["__name__"]: each for each in _of(load.series, service)}
        reach = READ_BEYOND * max(load.intervals) + load.skew
        self.times = sorted(
            time
            for time, is_up in own["up"].samples.items()
            if is_up == 1 and span.start - reach <= time <= span.end + reach
        )
        took = own["scrape_duration_seconds"].samples
        self.read_by = [time + took[time] for time in self.times]  # type: ignore[operator]
        numbers = {time: number for number, time in enumerate(self.times)}
        self.counters = [
            Counter(
                dict(each.labels),
                {numbers[t]: float(x) for t, x in each.samples.items() if t in numbers},  # type: ignore[arg-type]
            )
            for each in _of(load.series, service)
        ]
        self.restarts = set(self._restarts())

    def named(self, name: str, **labels: str) -> list[Counter]:
        return [
            each
            for each in self.counters
            if each.values and {**each.labels, "__name__": name, **labels} == each.labels
        ]

    def increase(self, counter: Counter, start: float, end: float) -> Interval:
        """Return the least and the most that a counter can have counted from `start` to `end`."""
        scrapes = range(len(self.times))
        before = [i for i in scrapes if self.read_by[i] <= start - self.slack]
        inside = [i for i in scrapes if self.times[i] >= start + self.slack]
        inside = [i for i in inside if self.read_by[i] <= end - self.slack]
        after = [i for i in scrapes if self.times[i] >= end + self.slack]
        around = range(before[-1] if before else 0, (after[0] if after else len(self.times) - 1) + 1)
        values = counter.values
        if not any(i in values for i in around):
            return 0.0, 0.0  # it was not there
        known = [(i, values[i]) for i in inside if i in values]
        low = sum(
            later - earlier if later >= earlier else later for (_, earlier), (_, later) in pairwise(known)
        )
        b = max((i for i in before if i in values), default=None)
        d = min((i for i in after if i in values), default=None)
        if d is None:
            return low, math.inf
        since = b if b is not None else before[-1] if before else -1
        path = [values[i] for i in range(since, d + 1) if i in values]
        if any(later < earlier for earlier, later in pairwise(path)):
            return low, math.inf
        if any(since < i <= d for i in self.restarts):
            return low, math.inf
        return low, values[d] - (0.0 if b is None else values[b])

    def _restarts(self) -> Iterator[int]:
        """Yield the scrapes before which the process certainly started again."""
        for counter in self.counters:
            name = counter.labels["__name__"]
            for (_, earlier), (number, later) in pairwise(sorted(counter.values.items())):
                if (name == STARTED and later > earlier + 1) or (name.endswith("_count") and later < earlier):
                    yield number


def tightest(load: Load, row: KpiRow, span: Span) -> Interval | None:
    """Return the tightest bounds of a row, infinite where nothing limits it.

    None where a service has native histograms, and of what is no sum where a counter has no upper bound.
    """
    if any(one.native for one in load.covered_by(row)):
        return None
    return _tightest([Scraped(load, one, span) for one in load.covered_by(row)], row, span)


def assert_tight(row: KpiRow, best: Interval) -> None:
    """Require that a row's bounds are at most 5 % wider than the tightest."""
    assert row.value_lo is not None
    assert row.value_hi is not None
    low, high = best
    rounding = 1e-9 * max(1.0, abs(low))
    if math.isinf(high):
        assert row.value_lo >= low - rounding, (row, best)
    else:
        assert row.value_hi - row.value_lo <= 1.05 * (high - low) + rounding, (row, best)


def _tightest(services: Sequence[Scraped], row: KpiRow, span: Span) -> Interval | None:
    q = quantile_of(row.stat)
    if q is not None:
        return _quantile(q, services, span)
    if row.stat in {"min", "max"}:
        return _extreme(row, services, span)
    if row.kpi == "latency":
        return _observed(row.stat, services, span)
    if row.stat == "total":
        return _sum(services, span.start, span.end, "requests_total")
    return _mean(row.kpi, services, span.start, span.end)


def _observed(stat: str, services: Sequence[Scraped], span: Span) -> Interval | None:
    if stat == "under 500 ms":
        return _share_up_to(0.5, services, span)
    count = _sum(services, span.start, span.end, "latency_count")
    observed = _sum(services, span.start, span.end, "latency_sum")
    return {"count": count, "total": observed, "mean": _ratio(observed, count)}[stat]


def _mean(kpi: str, services: Sequence[Scraped], start: float, end: float) -> Interval | None:
    requests = _sum(services, start, end, "requests_total")
    if kpi == "requests":
        return requests[0] / (end - start), requests[1] / (end - start)
    if math.isinf(requests[1]):
        return None
    if kpi == "busy":
        return _ratio(_sum(services, start, end, "busy_seconds_total"), requests)
    failed = _sum(services, start, end, "requests_total", code="5")
    other = _sum(services, start, end, "requests_total", code="2")
    low, high = (_over(failed[side], failed[side] + other[1 - side], float(side)) for side in (0, 1))
    return 100 * low, 100 * high


def _extreme(row: KpiRow, services: Sequence[Scraped], span: Span) -> Interval | None:
    """Return the bounds of the least or greatest of the tiles' means.

    A ratio is undefined in a tile without requests: one in which there may be none limits it on one side.
    """
    pick = min if row.stat == "min" else max
    possible, certain = [], []
    for start, end in span.edges()[1 : 1 + span.tiles]:
        requests, found = _sum(services, start, end, "requests_total"), _mean(row.kpi, services, start, end)
        if found is None:
            return None
        if requests[1] > 0 or row.kpi == "requests":
            possible.append(found)
        if requests[0] > 0 or row.kpi == "requests":
            certain.append(found)
    if not certain:
        return min(low for low, _ in possible), max(high for _, high in possible)
    lows, highs = (possible, certain) if row.stat == "min" else (certain, possible)
    return pick(low for low, _ in lows), pick(high for _, high in highs)


def _ratio(part: Interval, whole: Interval) -> Interval | None:
    if math.isinf(part[1] + whole[1]):
        return None
    return _over(part[0], whole[1], 0.0), _over(part[1], whole[0], math.inf)


def _sum(services: Iterable[Scraped], start: float, end: float, name: str, **labels: str) -> Interval:
    found = [one.increase(counter, start, end) for one in services for counter in one.named(name, **labels)]
    return sum(low for low, _ in found), sum(high for _, high in found)


def _quantile(q: float, services: Sequence[Scraped], span: Span) -> Interval | None:
    """Return the bucket bounds around the quantile."""
    buckets = _finite_buckets(services, span)
    low, high = 0.0, math.inf
    for bound in sorted({bucket.high for bucket in buckets}):
        (least, most_above), (most, least_above) = _around(bound, buckets)
        if _over(most, most + least_above, math.nan) < q:
            low = bound
        if _over(least, least + most_above, math.nan) >= q:
            high = bound
            break
    return (low, high) if buckets else None


def _share_up_to(threshold: float, services: Sequence[Scraped], span: Span) -> Interval | None:
    buckets = _finite_buckets(services, span)
    if not buckets:
        return None
    (least, most_above), (most, least_above) = _around(threshold, buckets)
    return 100 * _over(least, least + most_above, 0.0), 100 * _over(most, most + least_above, 0.0)


def _around(bound: float, buckets: Sequence[Bucket]) -> tuple[Interval, Interval]:
    """Return how much lay at or below a bound, and above it: with the least below, and with the most.

    A bucket in which the bound lies may hold all on either side of it.
    """
    least = sum(each.least for each in buckets if each.high <= bound)
    most_above = sum(each.most for each in buckets if each.high > bound)
    most = sum(each.most for each in buckets if each.low < bound)
    least_above = sum(each.least for each in buckets if each.low >= bound)
    return (least, most_above), (most, least_above)


def _finite_buckets(services: Sequence[Scraped], span: Span) -> list[Bucket]:
    """Return the buckets of all services; none where a counter has no upper bound."""
    found = [bucket for one in services for bucket in _buckets(one, span)]
    return [] if any(math.isinf(each.most) for each in found) else found


def _buckets(one: Scraped, span: Span) -> Iterator[Bucket]:
    bounds = sorted(
        ((float(each.labels["le"]), each) for each in one.named("latency_bucket")), key=lambda found: found[0]
    )
    below, edge = Counter({}, {}), 0.0
    for bound, counter in bounds:
        own = {i: n - below.values.get(i, 0.0) for i, n in counter.values.items()}
        yield Bucket(edge, bound, *one.increase(Counter({}, own), span.start, span.end))
        below, edge = counter, bound


def _over(part: float, whole: float, otherwise: float) -> float:
    return part / whole if whole else otherwise


def _of(series: Iterable[Stored], service: Service) -> list[Stored]:
    return [each for each in series if each.target == service.target]
