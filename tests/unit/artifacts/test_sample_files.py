"""Raw samples that cannot be had cost themselves only, and say why."""

from __future__ import annotations

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts import parquet
from monitord.artifacts.parquet import native_series
from monitord.artifacts.sample_files import Samples, gather
from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.kpis.span import Span
from monitord.prometheus.api.raw_samples import read_samples
from monitord.prometheus.api.series import Answer
from tests.fakes.query_client import answer, series

SPAN = Span("s", 1000.0, 1100.0, 5.0)


class Server:
    """Has one metric, and answers a query for its samples with what it is told to."""

    def __init__(self, sent: Any) -> None:
        self.sent = sent

    def query(self, promql: str, at: float) -> Answer:
        return answer(series(1, job="j", __name__="m"))

    def query_json(self, promql: str, at: float) -> bytes:
        if isinstance(self.sent, Exception):
            raise self.sent
        return json.dumps(self.sent, separators=(",", ":")).encode()

    def label_names(self, match: str, start: float, end: float) -> list[str]:
        return ["__name__", "job"]


def matrix(*result: Any, **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (PrometheusError("query processing would load too many samples"), "too many samples"),
        ({"status": "success"}, "the format of Prometheus's API"),
        (matrix({"metric": {}, "values": {"1": "2"}}), "the format of Prometheus's API"),
        (matrix({"metric": {}, "values": []}), "the format of Prometheus's API"),
        (matrix({"metric": {}, "values": [[1, ""]]}), "the format of Prometheus's API"),
        (matrix({"metric": {}, "values": [[1, "null"]]}), "the format of Prometheus's API"),
        (matrix({"metric": {}, "values": [[1, "2", 3]]}), "the format of Prometheus's API"),
        (matrix({"metric": {}, "values": [[1, "2"], [], [3, "4"]]}), "the format of Prometheus's API"),
    ],
)
def test_a_query_that_failed_is_a_warning(tmp_path: Path, sent: Any, said: str) -> None:
    samples = gather(SPAN, Server(sent), tmp_path)
    (warning,) = samples.warnings
    assert samples == Samples(warnings=(warning,))
    assert warning.startswith("raw samples were not kept: ")
    assert said in warning


def test_a_server_that_is_gone_is_asked_again_later(tmp_path: Path) -> None:
    gone = Server(PrometheusUnavailableError("gone"))
    with pytest.raises(PrometheusUnavailableError):
        gather(SPAN, gone, tmp_path)


def test_native_histograms_are_kept_beside_the_numbers_and_warnings_told(tmp_path: Path) -> None:
    metric = {"__name__": "m", "job": "j"}
    value = {"count": "3", "sum": "4.5", "buckets": [[3, "-1", "1", "1"], [0, "1", "2", "2"]]}
    histogram = {"metric": metric, "histograms": [[1001, value], [1001.25, {"count": "0", "sum": "0"}]]}
    both = matrix(histogram, {"metric": metric, "values": [[1001.5, "+Inf"]]}, infos=["odd"])
    samples = gather(SPAN, Server(both), tmp_path)
    assert samples.warnings == ("odd",)
    files = {"samples/service=j/part-0.parquet": 1, "histograms/service=j/part-0.parquet": 2}
    assert samples.rows == files
    file, beside = (samples.files[path] for path in files)
    (row,) = pq.ParquetFile(file).read().to_pylist()
    full, empty = pq.ParquetFile(beside).read().to_pylist()
    assert native_series(beside) == {("m", frozenset({("job", "j")}))}
    assert (full["metric"], full["job"], full["timestamp"].timestamp()) == ("m", "j", 1001)
    assert full["histogram"] == {
        "count": 3.0,
        "sum": 4.5,
        "buckets": [
            {"boundaries": 3, "low": -1.0, "high": 1.0, "count": 1.0},
            {"boundaries": 0, "low": 1.0, "high": 2.0, "count": 2.0},
        ],
    }
    assert (empty["histogram"], empty["timestamp"].timestamp()) == (
        {"count": 0.0, "sum": 0.0, "buckets": []},
        1001.25,
    )
    assert (row["metric"], row["job"], row["value"], row["timestamp"].timestamp()) == (
        "m",
        "j",
        float("inf"),
        1001.5,
    )


NUMBERS = st.one_of(st.floats(), st.integers(-(10**18), 10**18).map(float))
TIMES = st.integers(0, 4_000_000_000_000)


def written(value: float) -> str:
    """Write a number as Prometheus does, which is as Go's strconv does."""
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))


@given(st.lists(st.lists(st.tuples(TIMES, NUMBERS), min_size=1), min_size=1, max_size=5))
def test_every_number_and_time_is_read_exactly(of_series: list[list[tuple[int, float]]]) -> None:
    sent = matrix(*(
        {"metric": {"__name__": str(number)}, "values": [[ms / 1000, written(x)] for ms, x in samples]}
        for number, samples in enumerate(of_series)
    ))  # fmt: skip
    content = json.dumps(sent, separators=(",", ":")).encode()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "f.parquet"
        with parquet.SampleFile(file, []) as writing:
            writing.write(read_samples(content).series)
        table = pq.ParquetFile(file).read()
    found = zip(*(table.column(name).to_pylist() for name in ("metric", "value")), strict=True)
    times = table.column("timestamp").cast("int64").to_pylist()
    expected = [(str(n), repr(value)) for n, samples in enumerate(of_series) for _, value in samples]
    assert [(metric, repr(value)) for metric, value in found] == expected
    assert times == [ms for samples in of_series for ms, _ in samples]
