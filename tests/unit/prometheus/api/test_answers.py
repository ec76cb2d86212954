"""From the API's JSON to values, and back together from parts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import PrometheusError
from monitord.prometheus.api.answers import join_answers, parse_answer, split_range
from monitord.prometheus.api.series import Answer, NativeHistogram, Series


def payload(kind: str, result: Any, **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **more}


def test_a_vector_is_read_with_its_warnings_and_infos() -> None:
    answer = parse_answer(
        payload(
            "vector",
            [{"metric": {"job": "a"}, "value": [1.5, "2"]}],
            warnings=["partial"],
            infos=["PromQL info: x"],
        )
    )
    assert answer == Answer((Series({"job": "a"}, ((1.5, 2.0),)),), ("partial", "PromQL info: x"))


def test_a_matrix_is_read() -> None:
    answer = parse_answer(payload("matrix", [{"metric": {}, "values": [[1, "2"], [2, "3e5"]]}]))
    assert answer.series == (Series({}, ((1.0, 2.0), (2.0, 3e5))),)


def test_a_scalar_is_one_series_without_labels() -> None:
    assert parse_answer(payload("scalar", [7, "42"])).series == (Series({}, ((7.0, 42.0),)),)


def test_special_values_are_kept() -> None:
    values = [[1, "NaN"], [2, "+Inf"], [3, "-Inf"]]
    series = parse_answer(payload("matrix", [{"metric": {}, "values": values}])).series[0]
    first, second, third = (value for _, value in series.samples)
    assert math.isnan(first)
    assert (second, third) == (math.inf, -math.inf)


NATIVE = {"count": "3.5", "sum": "NaN", "buckets": [[3, "-0.001", "0.001", "1"], [0, "1", "2", "2.5"]]}
READ = (3.5, ((-0.001, 0.001, 1.0), (1.0, 2.0, 2.5)))


def read(histogram: NativeHistogram) -> tuple[float, tuple[tuple[float, float, float], ...]]:
    assert math.isnan(histogram.sum)
    return histogram.count, histogram.buckets


def test_native_histograms_stand_apart() -> None:
    result = [{"metric": {}, "histogram": [1, NATIVE]}, {"metric": {"a": "b"}, "value": [1, "1"]}]
    answer = parse_answer(payload("vector", result))
    assert [series.labels for series in answer.series] == [{"a": "b"}]
    (native,) = answer.histograms
    assert (native.labels, read(native.value)) == ({}, READ)


def test_a_series_may_hold_numbers_and_native_histograms_over_time() -> None:
    empty = {"count": "0", "sum": "NaN"}
    result = [{"metric": {"a": "b"}, "values": [[1, "1"]], "histograms": [[2, NATIVE], [3, empty]]}]
    answer = parse_answer(payload("matrix", result))
    assert answer.series == (Series({"a": "b"}, ((1.0, 1.0),)),)
    ((first, full), (second, nothing)) = answer.histograms[0].samples
    assert (first, second, read(full), read(nothing)) == (2.0, 3.0, READ, (0.0, ()))
    joined = join_answers([answer, answer])
    assert [time for time, _ in joined.histograms[0].samples] == [2.0, 3.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {},
        {"data": None},
        payload("string", [1, "x"]),
        payload("vector", [{"metric": {}}]),
        payload("vector", [{"metric": {}, "histogram": [1, {}]}]),
        payload("vector", [{"value": [1, "1"]}]),
        payload("vector", [{"metric": {}, "value": [1]}]),
        payload("vector", [{"metric": {}, "value": [1, "x"]}]),
        payload("vector", None),
        payload("scalar", []),
        payload("matrix", [{"metric": {}, "values": None}]),
    ],
)
def test_anything_else_is_refused(broken: Any) -> None:
    with pytest.raises(PrometheusError, match="the format of Prometheus's API"):
        parse_answer(broken)


@given(st.integers(-(10**6), 10**13), st.integers(0, 10**6), st.integers(1, 10**4), st.integers(1, 50))
def test_a_split_range_has_the_same_points(start: int, length: int, step: int, most: int) -> None:
    end = start + min(length, 2000 * step)
    parts = split_range(start, end, step, most)

    points = [list(range(first, last + 1, step)) for first, last in parts]
    assert [point for part in points for point in part] == list(range(start, end + 1, step))
    assert all(1 <= len(part) <= most for part in points)


@pytest.mark.parametrize(("start", "end", "step"), [(1, 0, 1), (0, 1, 0), (0, 1, -1)])
def test_an_impossible_range_is_refused(start: int, end: int, step: int) -> None:
    with pytest.raises(ValueError, match="range query"):
        split_range(start, end, step)


def test_parts_are_joined_series_by_series() -> None:
    first = Answer((Series({"a": "1", "b": "2"}, ((1.0, 1.0),)), Series({}, ((1.0, 5.0),))), ("w",))
    second = Answer((Series({"b": "2", "a": "1"}, ((2.0, 2.0),)), Series({"n": "x"}, ())), ("w", "v"))
    assert join_answers([first, second]) == Answer(
        (
            Series({"a": "1", "b": "2"}, ((1.0, 1.0), (2.0, 2.0))),
            Series({}, ((1.0, 5.0),)),
            Series({"n": "x"}, ()),
        ),
        ("w", "v"),
    )
    assert join_answers([]) == Answer(())
