"""Turn what the HTTP API answers into values (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitord.errors import PrometheusError
from monitord.prometheus.series import Answer, Series

MAX_POINTS = 11_000
"""How many points a series may have in one range query before Prometheus refuses it."""


def parse_answer(payload: Any) -> Answer:
    """Return the series of a successful `/api/v1/query` or `/api/v1/query_range` payload.

    A scalar is one series without labels. Warnings come first, then what 3.x calls infos; native
    histograms are not read, which is said as a warning. Raises PrometheusError when the payload
    has another shape.
    """
    try:
        warnings = [str(text) for key in ("warnings", "infos") for text in payload.get(key) or ()]
        series, unread = _parse_result(payload["data"]["resultType"], payload["data"]["result"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise PrometheusError(
            f"a query was answered with something that is not Prometheus's API: {error!r}"
        ) from error
    if unread:
        warnings.append(f"{unread} series hold native histograms, which are not read")
    return Answer(series, tuple(warnings))


def join_answers(answers: Iterable[Answer]) -> Answer:
    """Return answers to consecutive ranges as one; each warning once."""
    samples: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
    labels: dict[frozenset[tuple[str, str]], Mapping[str, str]] = {}
    warnings: dict[str, None] = {}
    for answer in answers:
        warnings |= dict.fromkeys(answer.warnings)
        for series in answer.series:
            key = frozenset(series.labels.items())
            labels.setdefault(key, series.labels)
            samples.setdefault(key, []).extend(series.samples)
    return Answer(
        tuple(Series(labels[key], tuple(values)) for key, values in samples.items()),
        tuple(warnings),
    )


def split_range(start: int, end: int, step: int, most: int = MAX_POINTS) -> list[tuple[int, int]]:
    """Return consecutive ranges that together have the points start, start + step, … up to end.

    All in milliseconds. No range has more than `most` points. Raises ValueError when end is before
    start or step is not positive.
    """
    if step <= 0:
        raise ValueError("the step of a range query must be at least 1 ms")
    if end < start:
        raise ValueError("a range query must not end before it starts")
    return [(first, min(first + (most - 1) * step, end)) for first in range(start, end + 1, most * step)]


def _parse_result(kind: str, result: Any) -> tuple[tuple[Series, ...], int]:
    match kind:
        case "scalar":
            return (Series({}, (_sample(result),)),), 0
        case "vector":
            read = [Series(item["metric"], (_sample(item["value"]),)) for item in result if "value" in item]
        case "matrix":
            read = [
                Series(item["metric"], tuple(map(_sample, item["values"])))
                for item in result
                if "values" in item
            ]
        case _:
            raise ValueError(f"result type {kind!r}")
    unread = sum("histogram" in item or "histograms" in item for item in result)
    if len(read) + unread < len(result):
        raise ValueError("a series without samples")
    return tuple(read), unread


def _sample(pair: Sequence[Any]) -> tuple[float, float]:
    time, value = pair
    return float(time), float(value)  # NaN, +Inf and -Inf are read as Prometheus writes them
