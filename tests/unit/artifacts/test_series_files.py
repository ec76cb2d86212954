"""The summary of all series as Parquet and CSV: the same rows in both."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitord.artifacts import series_files
from monitord.artifacts.formats import read_csv
from monitord.artifacts.series_files import SeriesWriter
from monitord.collect.metric_types import MetricTypes
from monitord.collect.series_summary import COLUMNS, NUMBERS, SeriesSummary
from monitord.errors import InvalidInputError
from monitord.kpis.readings.target_samples import Series, TargetSamples, target_samples
from monitord.kpis.span import Span

SUMMARY = SeriesSummary(Span("s", 1000.0, 1010.0, 1.0), MetricTypes({}))
TIMES = np.arange(998_000, 1_013_000, 1000)


def target(instance: str, *metrics: str, **labels: str) -> TargetSamples:
    of_target = {"job": "web", "instance": instance, "session": "s"}
    made = target_samples(
        Series({"__name__": name, **of_target, **labels}, TIMES, np.arange(len(TIMES)) / 7)
        for name in ("up", *metrics)
    )
    assert made is not None
    return made


def write(
    folder: Path, targets: Sequence[TargetSamples], **more: int
) -> tuple[dict[str, Path], dict[str, int]]:
    with SeriesWriter(folder, SUMMARY, **more) as writer:
        for each in targets:
            writer.write([each])
        return writer.close()


def in_parquet(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.ParquetFile(file).read().to_pylist()
    return rows


def in_csv(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV file with the types of the other one."""
    read = read_csv(file.read_text().splitlines())
    number = {"n": int}
    return [
        {
            name: (number.get(name, float)(text) if text else None) if name in NUMBERS else text
            for name, text in each.items()
        }
        for each in read
    ]


def test_both_files_have_the_columns_of_the_contract_and_the_same_rows(tmp_path: Path) -> None:
    targets = [target("h:1", "served_total", "queue", zone="=1+1"), target("=h:2", "queue", client="c,1")]
    files, rows = write(tmp_path, targets)
    assert rows == {"series_summary.parquet": 5, "series_summary.csv": 5}
    header = next(csv.reader(files["series_summary.csv"].read_text().splitlines()))
    assert header == pq.ParquetFile(files["series_summary.parquet"]).schema_arrow.names == list(COLUMNS)
    assert ",".join(COLUMNS) == (
        "metric,type,job,instance,client,service,node,gpu,labels,n,first,last,mean,min,max,std,p50,p95,p99,"
        "increase,increase_lo,increase_hi,rate"
    )
    found = in_parquet(files["series_summary.parquet"])
    assert found == in_csv(files["series_summary.csv"])
    assert [each["instance"] for each in found] == [*["h:1"] * 3, *["=h:2"] * 2]
    assert "'=h:2" in files["series_summary.csv"].read_text(), "no formula for a spreadsheet"
    assert found[1]["increase"] is not None
    assert found[2]["increase"] is None


def test_an_open_bound_is_infinite_in_both(tmp_path: Path) -> None:
    made = target_samples(
        [
            Series({"__name__": "up", "job": "j"}, TIMES, np.ones(len(TIMES))),
            Series({"__name__": "x_total", "job": "j"}, TIMES[:8], np.arange(8.0)),
        ]
    )
    assert made is not None
    files, _ = write(tmp_path, [made])
    found = in_parquet(files["series_summary.parquet"])
    assert found[1]["increase_hi"] == math.inf
    assert found == in_csv(files["series_summary.csv"])


def test_too_many_rows_are_in_parquet_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_files, "ROWS_TOGETHER", 4)
    targets = [target(f"h:{number}", "queue") for number in range(5)]
    for most, names in (
        (10, ["series_summary.csv", "series_summary.parquet"]),
        (9, ["series_summary.parquet"]),
    ):
        folder = tmp_path / str(most)
        folder.mkdir()
        files, rows = write(folder, targets, most_csv=most)
        assert sorted(files) == sorted(rows) == sorted(each.name for each in folder.iterdir()) == names
        assert set(rows.values()) == {10}
        read = pq.ParquetFile(files["series_summary.parquet"])
        assert [read.metadata.row_group(group).num_rows for group in range(3)] == [4, 4, 2]
        assert [each["instance"] for each in in_parquet(files["series_summary.parquet"])][::2] == [
            f"h:{number}" for number in range(5)
        ]


def test_a_window_without_series_has_files_without_rows(tmp_path: Path) -> None:
    files, rows = write(tmp_path, [])
    assert set(rows.values()) == {0}
    assert in_parquet(files["series_summary.parquet"]) == in_csv(files["series_summary.csv"]) == []


def test_rows_are_read_back(tmp_path: Path) -> None:
    files, _ = write(tmp_path, [target("h:1", "served_total", "queue", zone="a")])
    found = series_files.read_series(files["series_summary.parquet"])
    (expected,) = SUMMARY.rows(target("h:1", "served_total", "queue", zone="a"))
    assert found.texts == expected.texts
    assert np.array_equal(found.numbers, expected.numbers, equal_nan=True)
    empty, _ = write(tmp_path, [])
    assert series_files.read_series(empty["series_summary.parquet"]).texts == []


@pytest.mark.parametrize("content", [b"", b"text", b"PAR1PAR1"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "series_summary.parquet"
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match="is not a table of this kind"):
        series_files.read_series(file)
    pq.write_table(pa.table({"metric": ["m"]}), file)
    with pytest.raises(InvalidInputError, match="is not a table of this kind"):
        series_files.read_series(file)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SeriesWriter(tmp_path / "missing", SUMMARY)
