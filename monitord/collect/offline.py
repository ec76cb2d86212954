"""The queries of windows, evaluated on raw samples instead of by a Prometheus. Pure.

Only the forms of query that windows use: a range of one metric, a function over it, an aggregation of
that. Anything else, above all a free expression, is refused as a server refuses an unknown function.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitord.collect.functions import FUNCTIONS, Stretch, highest, lowest, total
from monitord.errors import PrometheusError
from monitord.prometheus.api.series import Answer, Series

_STRING = r'"(?:[^"\\]|\\.)*"'
_MATCHER = re.compile(rf"\s*(\w+)\s*(=~|!~|!=|=)\s*({_STRING})\s*(?:,|$)")
_RANGE = re.compile(
    rf"(?:(\w+)\()?([a-zA-Z_:][\w:]*)\{{((?:[^{{}}\"]|{_STRING})*)\}}\[(\d+)ms\](?: offset (\d+)ms)?(\))?"
)
_AGGREGATION = re.compile(r"(\w+) by \(([\w, ]*)\) \((.*)\)", re.DOTALL)
_AGGREGATIONS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": total,
    "min": lowest,
    "max": highest,
    "count": lambda values: float(len(values)),
}


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series of one metric: its other labels, and its samples (milliseconds), oldest first."""

    labels: Mapping[str, str]
    times: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Range:
    function: str
    series: tuple[StoredSeries, ...]
    metric: str
    length_ms: int
    offset_ms: int


class OfflineClient:
    """Answers like a Prometheus that has these samples and no others.

    `read` returns the series of a metric. `left_open` and `old_limit` are properties of the server
    that this replaces.
    """

    def __init__(
        self, read: Callable[[str], Sequence[StoredSeries]], left_open: bool = False, old_limit: bool = False
    ) -> None:
        self._read = read
        self._left_open = left_open
        self._old_limit = old_limit

    def query(self, promql: str, at: float) -> Answer:
        at_ms = round(at * 1000)
        of_range = self._range(promql)
        if of_range is not None and not of_range.function:
            return Answer(tuple(
                Series(
                    {"__name__": of_range.metric, **series.labels},
                    tuple(zip((time / 1000 for time in stretch.times), stretch.values, strict=True)),
                )
                for series, stretch in self._stretches(of_range, at_ms)
            ))  # fmt: skip
        evaluate = self._evaluation(promql)
        return Answer(tuple(Series(labels, ((at, value),)) for labels, value in evaluate(at_ms)))

    def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        evaluate = self._evaluation(promql)
        samples: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = defaultdict(list)
        for at_ms in range(round(start * 1000), round(end * 1000) + 1, round(step * 1000)):
            for labels, value in evaluate(at_ms):
                samples[tuple(sorted(labels.items()))].append((at_ms / 1000, value))
        return Answer(tuple(Series(dict(labels), tuple(values)) for labels, values in samples.items()))

    def _evaluation(self, promql: str) -> Callable[[int], Iterator[tuple[dict[str, str], float]]]:
        match = _AGGREGATION.fullmatch(promql)
        inner, unless = _halves(match[3] if match else promql)
        term = self._term(inner)
        but = self._term(unless) if unless else None
        if not match:
            return lambda at_ms: self._values(term, but, at_ms)
        if match[1] not in _AGGREGATIONS:
            raise _unknown(promql)
        names = [name.strip() for name in match[2].split(",")]
        aggregate = _AGGREGATIONS[match[1]]

        def evaluate(at_ms: int) -> Iterator[tuple[dict[str, str], float]]:
            groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
            for labels, value in self._values(term, but, at_ms):
                groups[tuple(labels.get(name, "") for name in names)].append(value)
            for key, values in groups.items():
                yield {name: text for name, text in zip(names, key, strict=True) if text}, aggregate(values)

        return evaluate

    def _values(self, term: _Range, but: _Range | None, at_ms: int) -> Iterator[tuple[dict[str, str], float]]:
        there = {id(series) for series, _ in self._stretches(but, at_ms)} if but else set()
        for series, stretch in self._stretches(term, at_ms):
            if id(series) not in there and (value := FUNCTIONS[term.function](stretch)) is not None:
                yield dict(series.labels), value

    def _stretches(self, of_range: _Range, at_ms: int) -> Iterator[tuple[StoredSeries, Stretch]]:
        end = at_ms - of_range.offset_ms
        start = end - of_range.length_ms
        for series in of_range.series:
            first = (bisect_right if self._left_open else bisect_left)(series.times, start)
            last = bisect_right(series.times, end)
            if first < last:
                times, values = series.times[first:last], series.values[first:last]
                yield series, Stretch(start, end, times, values, self._old_limit)

    def _term(self, promql: str) -> _Range:
        found = self._range(promql)
        if found is None or found.function not in FUNCTIONS:
            raise _unknown(promql)
        return found

    def _range(self, promql: str) -> _Range | None:
        match = _RANGE.fullmatch(promql)
        if match is None or bool(match[1]) != bool(match[6]):
            return None
        fits = _matching(match[3], promql)
        series = tuple(each for each in self._read(match[2]) if fits(each.labels))
        return _Range(match[1] or "", series, match[2], int(match[4]), int(match[5] or 0))


def _halves(promql: str) -> tuple[str, str]:
    first, _, second = promql.partition(" unless ")
    return first, second


def _matching(matchers: str, promql: str) -> Callable[[Mapping[str, str]], bool]:
    checks: list[tuple[str, bool, re.Pattern[str]]] = []
    place = 0
    while matchers[place:].strip():
        match = _MATCHER.match(matchers, place)
        if match is None:
            raise _unknown(promql)
        text = re.sub(
            r"\\(.)", lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], escape[1]), match[3][1:-1]
        )
        try:
            pattern = re.compile(text if "~" in match[2] else re.escape(text), re.DOTALL)
        except re.error:
            raise _unknown(promql) from None
        checks.append((match[1], "!" not in match[2], pattern))
        place = match.end()
    return lambda labels: all(
        (pattern.fullmatch(labels.get(name, "")) is not None) == wanted for name, wanted, pattern in checks
    )


def _unknown(promql: str) -> PrometheusError:
    return PrometheusError(f"only a Prometheus can evaluate {promql}")
