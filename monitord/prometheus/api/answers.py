"""Parse the responses of the HTTP API (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from monitord.errors import PrometheusError
from monitord.prometheus.api.series import Answer, Bucket, HistogramSeries, NativeHistogram, Series

V = TypeVar("V")

MAX_POINTS = 11_000
"""Points per series above which Prometheus refuses a range query."""


def parse_answer(payload: Any) -> Answer:
    """Return the series of a successful `/api/v1/query` or `/api/v1/query_range` payload.

    A scalar is one series without labels. Warnings come first, then the infos of 3.x. Raises
    PrometheusError when the payload has another form.
    """
    try:
        warnings = [str(text) for key in ("warnings", "infos") for text in payload.get(key) or ()]
        series, histograms = _parse_result(payload["data"]["resultType"], payload["data"]["result"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise PrometheusError(
            f"the response to a query is not in the format of Prometheus's API: {error!r}"
        ) from error
    return Answer(series, tuple(warnings), histograms)


def join_answers(answers: Iterable[Answer]) -> Answer:
    """Join the answers to consecutive ranges; repeated warnings are kept once."""
    parts = list(answers)
    return Answer(
        tuple(Series(*each) for each in _joined((s.labels, s.samples) for a in parts for s in a.series)),
        tuple(dict.fromkeys(text for answer in parts for text in answer.warnings)),
        tuple(
            HistogramSeries(*each)
            for each in _joined((s.labels, s.samples) for a in parts for s in a.histograms)
        ),
    )


def _joined(
    series: Iterable[tuple[Mapping[str, str], tuple[tuple[float, V], ...]]],
) -> list[tuple[Mapping[str, str], tuple[tuple[float, V], ...]]]:
    """Concatenate the samples of each series."""
    found: dict[frozenset[tuple[str, str]], tuple[Mapping[str, str], list[tuple[float, V]]]] = {}
    for labels, samples in series:
        found.setdefault(frozenset(labels.items()), (labels, []))[1].extend(samples)
    return [(labels, tuple(samples)) for labels, samples in found.values()]


def split_range(start: int, end: int, step: int, most: int = MAX_POINTS) -> list[tuple[int, int]]:
    """Split the points start, start + step, … up to end into consecutive ranges.

    All times are in milliseconds. No range has more than `most` points. Raises ValueError when end is before
    start or step is not positive.
    """
    if step <= 0:
        raise ValueError("the step of a range query must be at least 1 ms")
    if end < start:
        raise ValueError("a range query must not end before it starts")
    return [(first, min(first + (most - 1) * step, end)) for first in range(start, end + 1, most * step)]


def _parse_result(kind: str, result: Any) -> tuple[tuple[Series, ...], tuple[HistogramSeries, ...]]:
    match kind:
        case "scalar":
            return (Series({}, _samples([result])),), ()
        case "vector":
            found = [(item, _one(item, "value"), _one(item, "histogram")) for item in result]
        case "matrix":
            found = [(item, item.get("values", []), item.get("histograms", [])) for item in result]
        case _:
            raise ValueError(f"result type {kind!r}")
    if any(not floats and not native for _, floats, native in found):
        raise ValueError("a series without samples")
    return (
        tuple(Series(item["metric"], _samples(each)) for item, each, _ in found if each),
        tuple(
            HistogramSeries(item["metric"], tuple(map(_histogram, each))) for item, _, each in found if each
        ),
    )


def _one(item: Mapping[str, Any], key: str) -> list[Any]:
    return [item[key]] if key in item else []


def _samples(pairs: Iterable[Sequence[Any]]) -> tuple[tuple[float, float], ...]:
    # float() also parses Prometheus's NaN, +Inf and -Inf.
    return tuple([(float(time), float(value)) for time, value in pairs])


def _histogram(pair: Sequence[Any]) -> tuple[float, NativeHistogram]:
    time, found = pair
    buckets = tuple(Bucket(float(low), float(high), float(n)) for _, low, high, n in found.get("buckets", ()))
    return float(time), NativeHistogram(float(found["count"]), float(found["sum"]), buckets)
