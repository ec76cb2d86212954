"""A Prometheus that has the samples it is given, and answers the queries of a collection from them."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitord.errors import PrometheusError
from monitord.kpis.matchers import parse_matchers
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.series import Answer, Series

Labels = Mapping[str, str]
Sample = float | RawHistogram
NAME = "__name__"
SESSION = "s"
# Prometheus adds more series of its own to each target; a collection reads these.
_ADDED = ("up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_body_size_bytes")
_RAW = re.compile(r"\{(.*)}\[(\d+)ms]", re.DOTALL)
_AGGREGATED = re.compile(
    r"(sum|count) by \(([\w, ]*)\) \((\w+)_over_time\((\w*)\{(.*)}\[(\d+)ms]\)\)", re.DOTALL
)
_OVER_TIME: Mapping[str, Callable[[Sequence[float]], float]] = {
    "count": len,
    "sum": math.fsum,
    "last": lambda values: values[-1],
}


@dataclass(frozen=True)
class Stored:
    """A series: the labels of its target, all of its labels, and its samples by Unix seconds."""

    target: Labels
    labels: Labels
    samples: Mapping[float, Sample]


def stored(target: Labels, metric: str, samples: Mapping[float, Sample], **labels: str) -> Stored:
    """Return a series of a target; `labels` are those of the series itself."""
    return Stored(target, {NAME: metric, **target, **labels}, samples)


def answer(*each: Series) -> Answer:
    return Answer(each)


def one(value: float, **labels: str) -> Series:
    """Return a series with one value, as an instant query gives it."""
    return Series(labels, ((0.0, value),))


class SampleClient:
    """Has series, and the answers to other queries: that of the longest text that a query contains.

    Each target has `up` 1 whenever it has a sample, unless the series have an `up` of it; and
    `scrape_duration_seconds` if its scrapes `took` some time. With `left_open` a range excludes its start.
    A query that contains a text of `raising` raises the error. `active` are targets with their last errors.
    """

    def __init__(
        self,
        series: Iterable[Stored] = (),
        *,
        left_open: bool = False,
        took: float | None = None,
        answers: Mapping[str, Answer] | None = None,
        raising: Mapping[str, Exception] | None = None,
        active: Sequence[dict[str, Any]] = (),
    ) -> None:
        given = list(series)
        self._series = [*given, *_added(given, took)]
        self._left_open = left_open
        self._answers = answers or {}
        self._raising = raising or {}
        self._active = list(active)
        self.asked: list[str] = []

    def query(self, promql: str, at: float) -> Answer:
        self._note(promql)
        aggregated = _AGGREGATED.fullmatch(promql)
        if aggregated is None or any(text in promql for text in self._answers):
            return self._given(promql)
        aggregation, by, function, metric, matchers, length = aggregated.groups()
        of_group: dict[tuple[tuple[str, str], ...], list[float]] = {}
        for labels, samples in self._select(metric, matchers, int(length), at):
            key = tuple((name, labels[name]) for name in by.split(", ") if labels.get(name))
            numbers = [value if isinstance(value, float) else 1.0 for _, value in samples]
            of_group.setdefault(key, []).append(float(_OVER_TIME[function](numbers)))
        return Answer(
            tuple(
                Series(dict(key), ((at, math.fsum(found) if aggregation == "sum" else float(len(found))),))
                for key, found in of_group.items()
            )
        )

    def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        self._note(promql)
        return self._given(promql)

    def query_json(self, promql: str, at: float) -> bytes:
        self._note(promql)
        raw = _RAW.fullmatch(promql)
        if raw is None:
            raise PrometheusError(f"{promql} is not a range of raw samples")
        result = []
        for labels, samples in self._select("", raw[1], int(raw[2]), at):
            each: dict[str, Any] = {"metric": labels}
            numbers = [[time, _written(x)] for time, x in samples if not isinstance(x, RawHistogram)]
            native = [[time, _fields(x)] for time, x in samples if isinstance(x, RawHistogram)]
            each |= {"values": numbers} if numbers else {}
            result.append(each | ({"histograms": native} if native else {}))
        sent = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        return json.dumps(sent, separators=(",", ":")).encode()

    def targets(self) -> list[dict[str, Any]]:
        return self._active

    def _note(self, promql: str) -> None:
        self.asked.append(promql)
        for text, error in self._raising.items():
            if text in promql:
                raise error

    def _given(self, promql: str) -> Answer:
        fitting = [text for text in self._answers if text in promql]
        return self._answers[max(fitting, key=len)] if fitting else Answer(())

    def _select(
        self, metric: str, matchers: str, length: int, at: float
    ) -> Iterator[tuple[Labels, list[tuple[float, Sample]]]]:
        fits = parse_matchers(matchers)
        last = round(at * 1000)
        first = last - length + self._left_open
        for each in self._series:
            labels = {**each.labels, "session": SESSION}
            if metric not in {"", each.labels[NAME]} or not fits(labels):
                continue
            found = [(t, value) for t, value in sorted(each.samples.items()) if first <= t * 1000 <= last]
            if found:
                yield labels, found


def _added(given: Sequence[Stored], took: float | None) -> Iterator[Stored]:
    """Yield the series that Prometheus adds to the targets."""
    of_target: dict[tuple[tuple[str, str], ...], list[Stored]] = {}
    for each in given:
        of_target.setdefault(tuple(each.target.items()), []).append(each)
    for key, found in of_target.items():
        target, names = dict(key), {each.labels[NAME] for each in found}
        scraped = Counter(time for each in found if each.labels[NAME] not in _ADDED for time in each.samples)
        if "up" not in names:
            yield stored(target, "up", dict.fromkeys(scraped, 1.0))
        if "scrape_samples_scraped" not in names:
            yield stored(target, "scrape_samples_scraped", {t: float(n) for t, n in scraped.items()})
        if took is not None and "scrape_duration_seconds" not in names:
            yield stored(target, "scrape_duration_seconds", dict.fromkeys(scraped, took))


def _written(value: float) -> str:
    """Write a number as Prometheus does."""
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))


def _fields(histogram: RawHistogram) -> dict[str, Any]:
    found: dict[str, Any] = {"count": histogram.count, "sum": histogram.sum}
    return found | ({"buckets": histogram.buckets} if histogram.buckets else {})
