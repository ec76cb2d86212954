"""Raw samples in columns: every number and time is read exactly, and anything else is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import PrometheusError
from monitord.prometheus.api.raw_samples import RawHistogram, read_samples
from monitord.prometheus.api.sample_block import SampleBlock, to_block


def matrix(*result: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def decoded(sent: Any) -> SampleBlock:
    content = json.dumps(sent, separators=(",", ":")).encode()
    return to_block(read_samples(content).series)


NUMBERS = st.one_of(st.floats(), st.integers(-(10**18), 10**18).map(float))
TIMES = st.integers(0, 4_000_000_000_000)


def written(value: float) -> str:
    """Write a number as Prometheus does, which is as Go's strconv does."""
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))


@given(st.lists(st.lists(st.tuples(TIMES, NUMBERS), min_size=1), max_size=5))
def test_every_number_and_time_is_read_exactly(of_series: list[list[tuple[int, float]]]) -> None:
    block = decoded(matrix(*(
        {"metric": {"__name__": str(number)}, "values": [[ms / 1000, written(x)] for ms, x in samples]}
        for number, samples in enumerate(of_series)
    )))  # fmt: skip
    assert [labels["__name__"] for labels in block.labels] == [str(n) for n in range(len(of_series))]
    assert block.times.tolist() == [ms for samples in of_series for ms, _ in samples]
    assert list(map(repr, block.values.tolist())) == [repr(x) for samples in of_series for _, x in samples]
    assert [0, *block.ends.tolist()] == [
        sum(map(len, of_series[:number])) for number in range(len(of_series) + 1)
    ]  # fmt: skip


def test_native_histograms_stand_beside_the_numbers() -> None:
    metric = {"__name__": "m", "job": "j"}
    value = {"count": "3", "sum": "4.5", "buckets": [[3, "-1", "1", "1"], [0, "1", "2", "2"]]}
    block = decoded(matrix(
        {"metric": metric, "histograms": [[1001, value], [1001.25, {"count": "0", "sum": "0"}]]},
        {"metric": {"a": "b"}, "values": [[1001.5, "7"]], "histograms": [[1002, value]]},
    ))  # fmt: skip
    assert (list(block.labels), block.ends.tolist(), block.values.tolist()) == ([{"a": "b"}], [1], [7])
    first, second = block.histograms
    assert (first.labels, first.times.tolist()) == (metric, [1001000, 1001250])
    full = RawHistogram("3", "4.5", [(3, "-1", "1", "1"), (0, "1", "2", "2")])
    assert list(first.samples) == [full, RawHistogram("0", "0", [])]
    assert (second.labels, second.times.tolist(), list(second.samples)) == ({"a": "b"}, [1002000], [full])


@pytest.mark.parametrize(
    "sent",
    [
        {"status": "success"},
        {"data": {"resultType": "vector", "result": []}},
        matrix({"metric": {}, "values": {"1": "2"}}),
        matrix({"metric": {}, "values": []}),
        matrix({"metric": {}, "values": [[]]}),
        matrix({"metric": {}, "values": [[1, ""]]}),
        matrix({"metric": {}, "values": [[1, "null"]]}),
        matrix({"metric": {}, "values": [[1, "2", 3]]}),
        matrix({"metric": {}, "values": [[1, "2"], [], [3, "4"]]}),
        matrix({"metric": {}, "values": [[1, "½"]]}),
        matrix({"metric": {}, "values": "[[1,2]]"}),
        matrix({"metric": {}, "histograms": [[1, {"count": "1"}]]}),
        matrix({"metric": {}, "histograms": [[1, {"count": "1", "sum": "2", "buckets": [[0, "1"]]}]]}),
        matrix({"values": [[1, "2"]]}),
    ],
)
def test_anything_else_is_refused(sent: Any) -> None:
    with pytest.raises(PrometheusError, match="the format of Prometheus's API"):
        decoded(sent)


def test_no_series_are_an_empty_block() -> None:
    block = decoded(matrix())
    assert (len(block.labels), len(block.times), len(block.ends), block.histograms) == (0, 0, 0, [])
