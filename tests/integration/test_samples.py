"""Raw samples as Parquet, from each real Prometheus: all of them, and none but them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from monitord.artifacts import parquet
from monitord.artifacts.collected_files import CollectedFiles, collect_into_files
from monitord.collect.request import CollectionRequest
from monitord.kpis.span import SOUGHT_BEFORE_INTERVALS
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import has_left_open_ranges
from monitord.windows.model import Window
from tests.fakes.backfill import write_block

pytestmark = pytest.mark.real

STEP_MS, STEPS = 5000, 60
AROUND = SOUGHT_BEFORE_INTERVALS  # scrapes beyond each edge, which bounds rest on
SPECIAL = {7: math.nan, 8: math.inf, 9: -math.inf, 10: 1e-300, 11: 0.1 + 0.2}
JOBS = ("triton", "8000", "node")
OF_SUMMARY = {"__name__", "session", "job", "instance", "client", "service", "node", "gpu"}
OVER_TIME = {
    "n": "count_over_time(X)", "mean": "avg_over_time(X)", "std": "stddev_over_time(X)",
    "min": "min_over_time(X)", "max": "max_over_time(X)", "last": "last_over_time(X)",
    "p50": "quantile_over_time(0.5, X)", "p95": "quantile_over_time(0.95, X)",
    "p99": "quantile_over_time(0.99, X)",
}  # fmt: skip
Key = tuple[str, frozenset[tuple[str, str]]]  # metric, labels


def series_of(job: str) -> Iterator[tuple[str, dict[str, str]]]:
    labels = {"job": job, "instance": "n1:1", "client": "c1", "session": "bench", "node": "n1"}
    if job != "node":
        labels["service"] = job
    yield "up", labels
    # Labels may be called as our columns are, and differ from metric to metric.
    yield "a_total", {**labels, "value": "v", "value_label": "w", "metric": 'quoted "name"'}
    for le in ("0.1", "1.0", "+Inf"):
        yield "b_seconds_bucket", {**labels, "le": le}
    if job == "triton":
        for number in range(40):
            yield "many", {**labels, "number": str(number)}


def value_at(step: int, name: str) -> float:
    return 1.0 if name == "up" else SPECIAL.get(step, step * 1.5)


def written(labels: dict[str, str], name: str, time_ms: int, value: float) -> str:
    quoted = ",".join(f"{key}={escaped(text)}" for key, text in labels.items())
    number = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))
    return f"{name}{{{quoted}}} {number} {time_ms / 1000:.3f}"


def escaped(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


@pytest.fixture(scope="module")
def start_ms() -> int:
    return (math.floor(time.time()) - 3600) * 1000 + 123


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory, start_ms: int) -> Path:
    """Data of two sessions, from before the window to after it, with samples at both of its edges."""
    lines = (
        written({**labels, **other}, name, start_ms + step * STEP_MS, value_at(step, name))
        for step in range(-20, STEPS + 20)
        for job in JOBS
        for name, labels in series_of(job)
        for other in ({}, {"session": "other", "alien": "x"})
    )
    return write_block(tmp_path_factory.mktemp("block"), lines)


def request_of(client: PrometheusClient, start: float, end: float) -> CollectionRequest:
    left_open = has_left_open_ranges(client.build_info()["version"])
    return CollectionRequest(
        "bench", Window("run01", start, end), (), STEP_MS / 1000, 0.95, (), left_open=left_open
    )


@pytest.fixture
def request_(client: PrometheusClient, start_ms: int) -> CollectionRequest:
    return request_of(client, start_ms / 1000, (start_ms + STEPS * STEP_MS) / 1000)


def laid_out(samples: CollectedFiles, folder: Path) -> Path:
    """Put the files where they are published; return the folder of them all."""
    for path, file in samples.files.items():
        if not path.startswith("samples/"):
            continue
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_bytes(file.read_bytes())
    return folder / "samples"


def samples_in(file: Path) -> dict[Key, dict[int, float]]:
    """Return the samples in a file by series, each time once."""
    found: dict[Key, dict[int, float]] = {}
    table = pq.ParquetFile(file).read()
    labels = [name for name in table.schema.names if name not in parquet.OWN_COLUMNS]
    for row in table.to_pylist():
        of_row = frozenset((name, row[name]) for name in labels if row[name] is not None)
        values = found.setdefault((row["metric"], of_row), {})
        time_ms = round(row["timestamp"].timestamp() * 1000)
        assert time_ms not in values
        values[time_ms] = row["value"]
    return found


def truth(job: str, start_ms: int) -> dict[Key, dict[int, float]]:
    return {
        (name, frozenset((parquet.column_of(label), text) for label, text in labels.items())): {
            start_ms + step * STEP_MS: value_at(step, name) for step in range(-AROUND, STEPS + AROUND + 1)
        }
        for name, labels in series_of(job)
    }


@pytest.mark.parametrize("most", [100, 100_000], ids=["in pieces", "at once"])
def test_every_sample_of_the_window_and_around_it_is_there_once_and_exact(
    client: PrometheusClient, request_: CollectionRequest, start_ms: int, tmp_path: Path, most: int
) -> None:
    samples = collect_into_files(request_, client, tmp_path, most=most)
    assert sorted(samples.files) == [
        *(f"samples/service={job}/part-0.parquet" for job in sorted(JOBS)),
        "series_summary.csv",
        "series_summary.parquet",
    ]
    for job in JOBS:
        path = f"samples/service={job}/part-0.parquet"
        assert same(samples_in(samples.files[path]), truth(job, start_ms))
        assert samples.rows[path] == (STEPS + 1 + 2 * AROUND) * len(list(series_of(job)))
    assert not samples.collection.warnings


def test_the_servers_own_answer_says_the_same(
    client: PrometheusClient, request_: CollectionRequest, tmp_path: Path
) -> None:
    theirs = client.query(f'{{session="bench",job="triton"}}{request_.span.around}', request_.span.latest)
    expected: dict[Key, dict[int, float]] = {
        (
            series.labels["__name__"],
            frozenset(
                (parquet.column_of(label), text)
                for label, text in series.labels.items()
                if label != "__name__"
            ),
        ): {round(moment * 1000): value for moment, value in series.samples}
        for series in theirs.series
    }
    samples = collect_into_files(request_, client, tmp_path)
    assert same(samples_in(samples.files["samples/service=triton/part-0.parquet"]), expected)


def test_types_are_those_that_readers_of_a_whole_folder_need(
    client: PrometheusClient, request_: CollectionRequest, tmp_path: Path
) -> None:
    samples = collect_into_files(request_, client, tmp_path)
    folder = laid_out(samples, tmp_path / "published")
    together = pq.read_table(folder)
    assert together.num_rows == sum(
        rows for path, rows in samples.rows.items() if path.startswith("samples/")
    )
    assert str(together.schema.field("timestamp").type) == "timestamp[ms, tz=UTC]"
    assert str(together.schema.field("value").type) == "double"
    assert set(together.column("service").unique().to_pylist()) == set(JOBS)
    # Without its folder's name a file holds the label as it was: an exporter's series have none.
    assert ds.dataset(folder / "service=node", format="parquet").to_table().column("service").null_count > 0


def test_a_window_without_samples_has_no_files_of_them(
    client: PrometheusClient, start_ms: int, tmp_path: Path
) -> None:
    early = request_of(client, start_ms / 1000 - 3000, start_ms / 1000 - 2900)
    samples = collect_into_files(early, client, tmp_path)
    assert samples.rows == {"series_summary.csv": 0, "series_summary.parquet": 0}


@pytest.mark.parametrize("most", [100, 100_000], ids=["in pieces", "at once"])
def test_every_series_is_summarized_whether_samples_are_kept_or_not(
    client: PrometheusClient, request_: CollectionRequest, tmp_path: Path, most: int
) -> None:
    made = collect_into_files(request_, client, tmp_path, keep_samples=False, most=most)
    assert sorted(made.files) == ["series_summary.csv", "series_summary.parquet"]
    expected = sorted((job, name, others_of(labels)) for job in JOBS for name, labels in series_of(job))
    assert sorted(summaries(made)) == expected
    assert {each["n"] for each in summaries(made).values()} == {STEPS + 1, STEPS}  # one is not a number
    assert made.rows == dict.fromkeys(made.files, len(expected))


def test_the_server_gives_the_same_statistics(
    client: PrometheusClient, start_ms: int, tmp_path: Path
) -> None:
    request = request_of(client, start_ms / 1000 + 70, start_ms / 1000 + 240)  # all values are finite
    found = summaries(collect_into_files(request, client, tmp_path))
    for stat, function in OVER_TIME.items():
        for name in ("up", "a_total", "many"):
            selector = f'{name}{{session="bench",job="triton"}}{request.span.whole}'
            answer = client.query(function.replace("X", selector), request.span.end_ms / 1000)
            assert len(answer.series) == (40 if name == "many" else 1)
            for each in answer.series:
                ours = found["triton", name, others_of(each.labels)][stat]
                assert ours == pytest.approx(each.value, rel=1e-9), (stat, name)


def summaries(made: CollectedFiles) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the rows of a summary by job, metric and other labels."""
    rows = pq.ParquetFile(made.files["series_summary.parquet"]).read().to_pylist()
    found = {(each["job"], each["metric"], each["labels"]): each for each in rows}
    assert len(found) == len(rows)
    return found


def others_of(labels: Mapping[str, str]) -> str:
    others = {name: labels[name] for name in sorted(labels.keys() - OF_SUMMARY)}
    return json.dumps(others, separators=(",", ":"))


def same(found: dict[Key, dict[int, float]], expected: dict[Key, Any]) -> bool:
    """Compare as `==` does, but that NaN is NaN."""
    return repr(sorted_all(found)) == repr(sorted_all(expected))


def sorted_all(samples: dict[Key, dict[int, float]]) -> list[Any]:
    return sorted(
        ((name, sorted(labels), sorted(values.items())) for (name, labels), values in samples.items()),
        key=lambda each: each[:2],
    )
