"""The tightest bounds that a load's scrapes allow, by their definition: slowly, one sample after another.

This shares no code with what it checks. Bounds of sums, ratios and means take what each series counted at the
edges as independent of the others; those of a quantile are bucket bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    if row.kpi == "failed":
        return _share(services, span)
    if row.stat in {"min", "max"}:
        return _extreme(min if row.stat == "min" else max, services, span)
    if row.kpi == "requests":
        low, high = _sum(services, span.start, span.end, "requests_total")
        return (low, high) if row.stat == "total" else (low / span.seconds, high / span.seconds)
    count = _sum(services, span.start, span.end, "latency_count")
    observed = _sum(services, span.start, span.end, "latency_sum")
    return {"count": count, "total": observed, "mean": _ratio(observed, count)}[row.stat]


def _share(services: Sequence[Scraped], span: Span) -> Interval | None:
    failed = _sum(services, span.start, span.end, "requests_total", code="5")
    other = _sum(services, span.start, span.end, "requests_total", code="2")
    if math.isinf(failed[1] + other[1]):
        return None
    low, high = (_over(failed[side], failed[side] + other[1 - side], float(side)) for side in (0, 1))
    return 100 * low, 100 * high


def _extreme(pick: Callable[[Iterable[float]], float], services: Sequence[Scraped], span: Span) -> Interval:
    tiles = span.edges()[1 : 1 + span.tiles]
    rates = [(_sum(services, start, end, "requests_total"), end - start) for start, end in tiles]
    low, high = (pick(counted[side] / seconds for counted, seconds in rates) for side in (0, 1))
    return low, high


def _ratio(part: Interval, whole: Interval) -> Interval | None:
    if math.isinf(part[1] + whole[1]):
        return None
    return _over(part[0], whole[1], 0.0), _over(part[1], whole[0], math.inf)


def _sum(services: Iterable[Scraped], start: float, end: float, name: str, **labels: str) -> Interval:
    found = [one.increase(counter, start, end) for one in services for counter in one.named(name, **labels)]
    return sum(low for low, _ in found), sum(high for _, high in found)


def _quantile(q: float, services: Sequence[Scraped], span: Span) -> Interval | None:
    """Return the bucket bounds around the quantile, from what each bucket counted by itself."""
    buckets = [bucket for one in services for bucket in _buckets(one, span)]
    if not buckets or any(math.isinf(most) for *_, most in buckets):
        return None
    low, high = 0.0, math.inf
    for bound in sorted({high for _, high, _, _ in buckets}):
        # Most at or below: all that any bucket which begins below it may hold, and the least of all others.
        most = sum(n for begin, _, _, n in buckets if begin < bound)
        least_above = sum(n for begin, _, n, _ in buckets if begin >= bound)
        least = sum(n for _, end, n, _ in buckets if end <= bound)
        most_above = sum(n for _, end, _, n in buckets if end > bound)
        if most + least_above > 0 and most / (most + least_above) < q:
            low = bound
        if least + most_above > 0 and least / (least + most_above) >= q:
            high = bound
            break
    return low, high


def _buckets(one: Scraped, span: Span) -> Iterator[tuple[float, float, float, float]]:
    """Yield each bucket by itself: its edges, and the least and the most that it counted."""
    bounds = sorted(
        ((float(each.labels["le"]), each) for each in one.named("latency_bucket")), key=lambda found: found[0]
    )
    below, edge = Counter({}, {}), 0.0
    for bound, counter in bounds:
        own = {i: n - below.values.get(i, 0.0) for i, n in counter.values.items()}
        yield edge, bound, *one.increase(Counter({}, own), span.start, span.end)
        below, edge = counter, bound


def _over(part: float, whole: float, otherwise: float) -> float:
    return part / whole if whole else otherwise


def _of(series: Iterable[Stored], service: Service) -> list[Stored]:
    return [each for each in series if each.target == service.target]
