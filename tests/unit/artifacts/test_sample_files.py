"""Raw samples as Parquet: what is written is read back, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.artifacts import parquet
from monitord.artifacts.sample_files import SampleWriter
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.sample_block import HistogramSeries, Labels, SampleBlock

FLOATS, NATIVE = "samples/service=j/part-0.parquet", "histograms/service=j/part-0.parquet"
Samples = Sequence[tuple[int, float]]


def block_of(
    series: Sequence[tuple[Labels, Samples]], histograms: Sequence[HistogramSeries] = ()
) -> SampleBlock:
    times, values = (
        [sample[part] for _, samples in series for sample in samples] for part in (0, 1)
    )  # fmt: skip
    return SampleBlock(
        [labels for labels, _ in series],
        np.cumsum([len(samples) for _, samples in series], dtype=np.intp),
        np.array(times, np.int64),
        np.array(values, np.float64),
        histograms,
    )


def native(labels: Labels, *samples: tuple[int, RawHistogram]) -> HistogramSeries:
    times = np.array([time for time, _ in samples], np.int64)
    return HistogramSeries(labels, times, [histogram for _, histogram in samples])


def write(folder: Path, *blocks: SampleBlock, job: str = "j") -> tuple[dict[str, Path], dict[str, int]]:
    series = [each for block in blocks for each in (*block.labels, *(h.labels for h in block.histograms))]
    with SampleWriter(folder, sorted({name for labels in series for name in labels})) as writer:
        for block in blocks:
            writer.write(job, block)
        return writer.close()


def content(block: SampleBlock) -> list[Any]:
    """Return all that a block has, NaN written out so that it compares."""
    begins = [0, *block.ends.tolist()]
    plain = [
        (dict(labels), block.times[begin:end].tolist(), list(map(repr, block.values[begin:end].tolist())))
        for labels, (begin, end) in zip(block.labels, pairwise(begins), strict=True)
    ]
    histograms = [
        (dict(each.labels), each.times.tolist(), [_numbers(sample) for sample in each.samples])
        for each in block.histograms
    ]
    return [*plain, *histograms]


def _numbers(sample: RawHistogram) -> Any:
    buckets = [(rule, *map(float, numbers)) for rule, *numbers in sample.buckets]
    return repr((float(sample.count), float(sample.sum), buckets))


def read(files: dict[str, Path]) -> list[Any]:
    floats, histograms = (
        [file for path, file in files.items() if path.startswith(kind)] for kind in ("samples", "histograms")
    )
    return [each for block in parquet.read_blocks(floats, histograms) for each in content(block)]


NAMES = st.sampled_from(["__name__", "job", "le", "value", "metric", "timestamp", "metric_label", "é"])
LABELS = st.dictionaries(NAMES, st.text(max_size=3)).map(lambda found: {"__name__": "m", **found})
NUMBERS = st.one_of(st.floats(), st.integers(-(10**18), 10**18).map(float))
TIMES = st.integers(0, 4_000_000_000_000)
SAMPLES = st.lists(st.tuples(TIMES, NUMBERS), min_size=1, max_size=5)
SERIES = st.lists(
    st.tuples(LABELS, SAMPLES), max_size=5, unique_by=lambda each: tuple(sorted(each[0].items()))
)
BUCKETS = st.lists(st.tuples(st.integers(0, 3), *(NUMBERS.map(repr) for _ in range(3))), max_size=3)
HISTOGRAM = st.builds(RawHistogram, NUMBERS.map(repr), NUMBERS.map(repr), BUCKETS)
HISTOGRAMS = st.lists(
    st.builds(
        lambda labels, samples: native(labels, *samples),
        LABELS,
        st.lists(st.tuples(TIMES, HISTOGRAM), min_size=1, max_size=3),
    ),
    max_size=3,
    unique_by=lambda each: tuple(sorted(each.labels.items())),
)


@settings(max_examples=50)
@given(st.lists(st.builds(block_of, SERIES, HISTOGRAMS), max_size=3))
def test_what_was_written_is_read_back(blocks: list[SampleBlock]) -> None:
    with TemporaryDirectory() as folder:
        files, rows = write(Path(folder), *blocks)
        found = read(files)
    plain = [each for block in blocks for each in content(replace(block, histograms=()))]
    histograms = [each for block in blocks for each in content(block_of([], block.histograms))]
    assert found == [*plain, *histograms]
    assert rows.get(FLOATS, 0) == sum(len(block.times) for block in blocks)
    assert rows.get(NATIVE, 0) == sum(len(each.samples) for block in blocks for each in block.histograms)


def test_a_file_holds_what_a_reader_of_parquet_expects(tmp_path: Path) -> None:
    labels = {"__name__": "m", "job": "j", "value": "taken"}
    histogram = RawHistogram("3", "4.5", [(3, "-1", "1", "1"), (0, "1", "2", "2")])
    empty = RawHistogram("0", "0")
    block = block_of(
        [(labels, [(1001500, math.inf)])], [native(labels, (1001000, histogram), (1001250, empty))]
    )
    files, rows = write(tmp_path, block)
    assert rows == {FLOATS: 1, NATIVE: 2}
    (row,) = pq.ParquetFile(files[FLOATS]).read().to_pylist()
    assert (row["metric"], row["job"], row["value_label"], row["value"]) == ("m", "j", "taken", math.inf)
    assert row["timestamp"].timestamp() == 1001.5
    full, nothing = pq.ParquetFile(files[NATIVE]).read().to_pylist()
    assert full["histogram"] == {
        "count": 3.0,
        "sum": 4.5,
        "buckets": [
            {"boundaries": 3, "low": -1.0, "high": 1.0, "count": 1.0},
            {"boundaries": 0, "low": 1.0, "high": 2.0, "count": 2.0},
        ],
    }
    assert nothing["histogram"] == {"count": 0.0, "sum": 0.0, "buckets": []}
    assert nothing["timestamp"].timestamp() == 1001.25
    assert [parquet.count_rows(files[path]) for path in (FLOATS, NATIVE)] == [1, 2]


def test_each_job_has_files_and_its_name_is_escaped(tmp_path: Path) -> None:
    block = block_of([({"__name__": "m"}, [(1, 1.0)])])
    with SampleWriter(tmp_path, ["__name__"]) as writer:
        for job in ("a", "b/c", "a"):
            writer.write(job, block)
        files, rows = writer.close()
    assert rows == {"samples/service=a/part-0.parquet": 2, "samples/service=b%2Fc/part-0.parquet": 1}
    assert {file.parent for file in files.values()} == {tmp_path}


def test_what_cannot_be_written_is_raised(tmp_path: Path) -> None:
    block = block_of([({"__name__": "m"}, [(1, 1.0)])])
    with SampleWriter(tmp_path / "nowhere", []) as writer:
        writer.write("j", block)
        with pytest.raises(FileNotFoundError):
            writer.close()


def test_what_is_no_parquet_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"no")
    assert parquet.count_rows(tmp_path / "f") is None
