"""Print the tables of docs/statistics.md: errors of PromQL's answers, and of what is published.

`python -m tests.statistics_table` writes them into the page; a unit test compares them with it. Every
request of the services is known. All seeds are fixed.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.summary import KpiRow
from monitord.kpis.quantile import bucket_quantile
from monitord.prometheus.api.version import Version
from tests.extrapolation import Sample, increase, whole_range
from tests.fakes.sample_client import SESSION, SampleClient
from tests.loads import Load, Service, is_inside, random_service, rows_with_truth, scraped

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
SCRAPES = (4, 10, 20, 60, 200)
LOADS = 300
START = 1_000_000.0
WRONG = 0.1
SLOW = 0.1  # a scrape lasts at most this share of the interval
VERSION = Version(3, 5, 0)
PUBLISHED = {("requests", "mean"), ("latency", "p50"), ("latency", "p99")}

LAYOUT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
"""The buckets that Prometheus's client libraries have by default."""

Make = Callable[[Random, float, float], Service]


@dataclass(frozen=True)
class Answer:
    """A number of one window: its truth, PromQL's answer, and the row that is published."""

    true: float
    theirs: float | None
    row: KpiRow
    layout: Sequence[float]

    @property
    def is_one_bucket(self) -> bool:
        """Whether the bounds are within one bucket."""
        assert self.row.value_lo is not None
        above_low = bisect_right(self.layout, self.row.value_lo)
        return self.bucket(self.row.value_hi) <= above_low

    @property
    def their_error(self) -> float:
        """The relative error; no answer is wrong by all of it."""
        return 1.0 if self.theirs is None else abs(self.theirs - self.true) / self.true

    @property
    def our_error(self) -> float:
        assert self.row.value is not None
        return abs(self.row.value - self.true) / self.true

    @property
    def width(self) -> float:
        assert self.row.value_lo is not None
        assert self.row.value_hi is not None
        return (self.row.value_hi - self.row.value_lo) / self.true

    def bucket(self, number: float | None) -> int:
        """Return the number of the bucket that a number lies in; -1 without a number."""
        return -1 if number is None or math.isnan(number) else bisect_left(self.layout, number)


def steady(random: Random, start: float, end: float) -> Service:
    """Return a service that has about 20 requests a second, all the time."""
    n = round(20 * (end - start + 20))
    times = sorted(random.uniform(start - 10, end + 10) for _ in range(n))
    return _service(random, times)


def bursty(random: Random, start: float, end: float) -> Service:
    """Return a service that is idle at the edges of the window, or has bursts, or begins or ends in it."""
    return replace(random_service(random, "a", start, end, native=False), layout=LAYOUT)


def tables() -> dict[str, str]:
    """Return the tables as Markdown, by their names."""
    kinds: dict[str, Make] = {"steady": steady, "any": bursty}
    answers = {
        kind: {scrapes: list(_answers(make, scrapes)) for scrapes in SCRAPES} for kind, make in kinds.items()
    }
    return {
        "example": example(),
        "rates": _table(_rates(answers)),
        "quantiles": _table(_quantiles(answers["any"])),
    }


def example() -> str:
    """Return the table of four windows of 20 s with the same load."""
    return _table(_four_windows())


def with_tables(page: str, found: Mapping[str, str]) -> str:
    """Return the page with these tables in the place of those that it has."""
    for name, table in found.items():
        begin, end = f"<!-- table {name} -->\n", f"<!-- end {name} -->\n"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}{table}{end}{after}"
    return page


def _rates(answers: dict[str, dict[int, list[Answer]]]) -> Iterator[str]:
    yield (
        "| load | scrapes | windows | `rate`: error, median | 95th pct. | > 10 % wrong | outside our bounds |"
        " value: error, median | 95th pct. | > 10 % wrong | width of bounds, median | truth inside |"
    )
    yield "|---|--:" + "|--:" * 10 + "|"
    for kind, by_scrapes in answers.items():
        for scrapes, found in by_scrapes.items():
            rates = [each for each in found if each.row.stat == "mean"]
            yield _row(
                kind, scrapes, len(rates), *_errors([each.their_error for each in rates]),
                _share(not is_inside(each.row, each.theirs or 0.0) for each in rates),
                *_errors([each.our_error for each in rates]),
                _percent(float(np.median([each.width for each in rates]))),
                _share(is_inside(each.row, each.true) for each in rates),
            )  # fmt: skip


def _quantiles(answers: dict[int, list[Answer]]) -> Iterator[str]:
    yield (
        "| stat | scrapes | windows | `histogram_quantile`: in a bucket without the truth |"
        " outside our bounds | value: in a bucket without the truth | bounds are one bucket | truth inside |"
    )
    yield "|---|--:" + "|--:" * 6 + "|"
    for stat in ("p50", "p99"):
        for scrapes, found in answers.items():
            quantiles = [each for each in found if each.row.stat == stat]
            yield _row(
                stat, scrapes, len(quantiles),
                _share(each.bucket(each.theirs) != each.bucket(each.true) for each in quantiles),
                _share(each.theirs is None or not is_inside(each.row, each.theirs) for each in quantiles),
                _share(each.bucket(each.row.value) != each.bucket(each.true) for each in quantiles),
                _share(each.is_one_bucket for each in quantiles),
                _share(is_inside(each.row, each.true) for each in quantiles),
            )  # fmt: skip


def _four_windows() -> Iterator[str]:
    """Yield a table of four windows of 20 s with the same load, of a service that is scraped every 5 s.

    It is idle in the first and the last 2.5 s of each, and between them.
    """
    random, each, seconds = Random(1), 698, 20.0
    starts = [START + 32.6 * number for number in range(4)]
    times = sorted(start + random.uniform(2.5, seconds - 2.5) for start in starts for _ in range(each))
    service = _service(random, times)
    yield "| window | truth | `rate` | published | lower bound | upper bound | status |"
    yield "|--:" * 6 + "|---|"
    series = list(scraped(random, service, starts[0], starts[-1] + seconds, 5.0, SLOW))
    for number, start in enumerate(starts, 1):
        load = Load(start, start + seconds, [service], [5.0], series)
        answer = next(found for found in _compared(load) if found.row.stat == "mean")
        row = answer.row
        numbers = (answer.true, answer.theirs, row.value, row.value_lo, row.value_hi)
        yield _row(number, *(f"{found:.1f}" for found in numbers), f"{row.status} {row.reason}".strip())


def _answers(make: Make, scrapes: int) -> Iterator[Answer]:
    end = START + scrapes
    for seed in range(LOADS):
        random = Random(f"{make.__name__} {scrapes} {seed}")
        service = make(random, START, end)
        series = list(scraped(random, service, START, end, 1.0, SLOW))
        yield from _compared(Load(START, end, [service], [1.0], series))


def _compared(load: Load) -> Iterator[Answer]:
    """Yield the rows of the session of which the truth is not 0, with what PromQL says."""
    collection = collect(load.request(SESSION), SampleClient(load.series), lambda: 0.0)
    (service,) = load.services
    for row, true in rows_with_truth(load, collection):
        if row.scope == "session" and true > 0 and (row.kpi, row.stat) in PUBLISHED:
            yield Answer(true, _theirs(load, collection, row), row, service.layout)


def _theirs(load: Load, collection: CollectedWindow, row: KpiRow) -> float | None:
    if row.kpi == "requests":
        found = _increases(load, "requests_total", "code")
        return sum(found.values()) / collection.request.span.seconds if found else None
    buckets = _increases(load, "latency_bucket", "le")
    quantile = bucket_quantile(float(row.stat[1:]) / 100, {float(le): n for le, n in buckets.items()})
    return None if quantile is None else quantile.value


def _increases(load: Load, name: str, label: str) -> dict[str, float]:
    over, found = whole_range(load.start, load.end, VERSION), {}
    for each in load.series:
        if each.labels["__name__"] == name:
            samples = [
                Sample(round(at * 1000), value)
                for at, value in sorted(each.samples.items())
                if isinstance(value, float)
            ]
            value = increase(samples, over)
            if value is not None:
                found[each.labels[label]] = value
    return found


def _service(random: Random, times: list[float]) -> Service:
    seconds = [random.expovariate(4) for _ in times]
    return Service("a", times, seconds, ["2"] * len(times), [], -math.inf, math.inf, LAYOUT, native=False)


def _errors(errors: Sequence[float]) -> tuple[str, str, str]:
    median, high = np.percentile(errors, [50, 95])
    return _percent(float(median)), _percent(float(high)), _share(each > WRONG for each in errors)


def _share(cases: Iterator[bool]) -> str:
    return _percent(float(np.mean(list(cases))))


def _percent(share: float) -> str:
    return "none" if math.isinf(share) else f"{100 * share:.1f} %"


def _table(rows: Iterator[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
