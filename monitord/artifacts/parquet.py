"""Raw samples as Parquet. The only place that imports pyarrow, which is large and optional."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from monitord.prometheus.api.raw_samples import RawHistogram, RawSeries, not_the_api

OWN_COLUMNS = ("timestamp", "metric", "value")
_HISTOGRAM = "histogram"
_TAKEN = re.compile(f"({'|'.join((*OWN_COLUMNS, _HISTOGRAM))})(_label)*")
_NAME = "__name__"


def is_available() -> bool:
    """Return whether pyarrow is installed; it is not imported for that."""
    return importlib.util.find_spec("pyarrow") is not None


def count_rows(file: Path) -> int | None:
    """Return how many rows a file has; None when it is no Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.ParquetFile(file).metadata.num_rows)
    except pa.ArrowException:
        return None


def read_series(file: Path, metric: str) -> list[tuple[dict[str, str], list[int], list[float]]]:
    """Return a metric's series: labels, times (Unix milliseconds) and values, as they were written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(file, filters=[("metric", "=", metric)], partitioning=None)
    labels = [name for name in table.schema.names if name not in OWN_COLUMNS]
    types = [*((name, pa.string()) for name in labels), ("timestamp", pa.int64()), ("value", pa.float64())]
    table = table.select([name for name, _ in types]).cast(pa.schema(types))
    series = table.group_by(labels, use_threads=False).aggregate([("timestamp", "list"), ("value", "list")])
    return [
        (
            {label_of(name): row[name] for name in labels if row[name] is not None},
            row["timestamp_list"],
            row["value_list"],
        )
        for row in series.to_pylist()
    ]


def native_series(file: Path) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Return the metric and labels of each series in a file of native histograms."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [name for name in pq.read_schema(file).names if name not in {"timestamp", _HISTOGRAM}]
    table = pq.read_table(file, columns=names, partitioning=None)
    table = table.cast(pa.schema([(name, pa.string()) for name in table.schema.names]))
    return {
        (
            row.pop("metric"),
            frozenset((label_of(name), text) for name, text in row.items() if text is not None),
        )
        for row in table.group_by(names).aggregate([]).to_pylist()
    }


def column_of(label: str) -> str:
    """Return the column of a label: its own name, but where that is one of ours."""
    return f"{label}_label" if _TAKEN.fullmatch(label) else label


def label_of(column: str) -> str:
    """Return the label of a column."""
    return column.removesuffix("_label") if _TAKEN.fullmatch(column) else column


class SampleFile:
    """A Parquet file of samples being written, one row group at a time; `rows` counts them.

    `labels` are all that a series may have: each is a column, null where a series lacks it. Labels
    are dictionaries, as readers take the folder `service=…` for one and would refuse to see it as
    two types.
    """

    sample = "value"

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._labels = labels
        text = pa.dictionary(pa.int32(), pa.string())
        types = (pa.timestamp("ms", tz="UTC"), text, self._sample_type(), *(text for _ in labels))
        names = ("timestamp", "metric", self.sample, *map(column_of, labels))
        self._schema = pa.schema(list(zip(names, types, strict=True)))
        encoded = ["metric", *map(column_of, labels)]
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="zstd", use_dictionary=encoded,
            write_statistics=["metric", "timestamp"],
        )  # fmt: skip
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def write(self, series: Sequence[RawSeries]) -> None:
        """Append all samples of these series, in their order; raises PrometheusError when they are none."""
        found = [each for each in series if self._count(each)]
        if found:
            table = self._table(found)
            self._writer.write_table(table, row_group_size=table.num_rows)
            self.rows += table.num_rows

    def _table(self, series: Sequence[RawSeries]) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        times, values = self._samples(series)
        ends = list(accumulate(map(self._count, series)))
        if len(times) != ends[-1]:
            raise not_the_api("a sample is missing")
        of_series = pa.table(
            {
                column: pa.array([each.metric.get(label) for each in series], self._schema.field(column).type)
                for label, column in ((_NAME, "metric"), *((name, column_of(name)) for name in self._labels))
            }
        )
        runs = (pa.array(ends, pa.int32()), pa.array(range(len(series)), pa.int32()))
        table = of_series.take(pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(*runs)))
        milliseconds = pc.round(pc.multiply(times, 1000.0)).cast(pa.int64())
        table = table.append_column("timestamp", milliseconds.cast(self._schema.field("timestamp").type))
        return table.append_column(self.sample, values).select(self._schema.names)

    def _sample_type(self) -> Any:
        import pyarrow as pa

        return pa.float64()

    def _count(self, series: RawSeries) -> int:
        return bytes(series.values).count(b"],[") + 1 if series.values else 0

    def _samples(self, series: Sequence[RawSeries]) -> tuple[Any, Any]:
        """Return all times (Unix seconds) and values. Prometheus's JSON is CSV but for the brackets."""
        import pyarrow as pa
        from pyarrow import csv

        texts = [bytes(each.values) for each in series]
        if not all(text.startswith(b"[[") and text.endswith(b"]]") for text in texts):
            raise not_the_api("its samples are no list")
        lines = b"\n".join(text[2:-2] for text in texts).replace(b"],[", b"\n").replace(b'"+Inf"', b'"Inf"')
        reading = csv.ReadOptions(
            use_threads=False, block_size=len(lines) + 1, column_names=["time", "value"]
        )
        # By default NaN would be read as no value.
        types = csv.ConvertOptions(
            column_types={"time": pa.float64(), "value": pa.float64()}, null_values=[], check_utf8=False
        )
        try:
            return tuple(csv.read_csv(pa.BufferReader(lines), reading, convert_options=types).columns)
        except pa.ArrowInvalid as error:
            raise not_the_api(error) from error


class HistogramFile(SampleFile):
    """The same of native histograms, which would be no number: each with its count, sum and buckets.

    `boundaries` says which bounds belong to a bucket, as the API does: 0 the upper one, 1 the lower one,
    2 none, 3 both.
    """

    sample = _HISTOGRAM

    def _sample_type(self) -> Any:
        import pyarrow as pa

        numbers = [(name, pa.float64()) for name in ("low", "high", "count")]
        bucket = pa.struct([("boundaries", pa.int8()), *numbers])
        return pa.struct([("count", pa.float64()), ("sum", pa.float64()), ("buckets", pa.list_(bucket))])

    def _count(self, series: RawSeries) -> int:
        return len(series.histograms)

    def _samples(self, series: Sequence[RawSeries]) -> tuple[Any, Any]:
        import pyarrow as pa

        samples = [sample for each in series for sample in each.histograms]
        times = pa.array([time for time, _ in samples], pa.float64())
        values = [_plain(histogram) for _, histogram in samples]
        return times, pa.array(values, self._schema.field(self.sample).type)


def _plain(histogram: RawHistogram) -> dict[str, Any]:
    return {
        "count": float(histogram.count),
        "sum": float(histogram.sum),
        "buckets": [
            {"boundaries": rule, "low": float(low), "high": float(high), "count": float(count)}
            for rule, low, high, count in histogram.buckets
        ],
    }
