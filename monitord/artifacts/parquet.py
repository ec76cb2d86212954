"""Raw samples and tables as Parquet. The only place that imports pyarrow, which is large."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from monitord.errors import InvalidInputError
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.sample_block import Floats, HistogramSeries, Labels, Milliseconds, SampleBlock

OWN_COLUMNS = ("timestamp", "metric", "value")
_HISTOGRAM = "histogram"
_TAKEN = re.compile(f"({'|'.join((*OWN_COLUMNS, _HISTOGRAM))})(_label)*")
_NAME = "__name__"


def count_rows(file: Path) -> int | None:
    """Return how many rows a file has; None when it is no Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.ParquetFile(file).metadata.num_rows)
    except pa.ArrowException:
        return None


def read_blocks(files: Sequence[Path], histograms: Sequence[Path]) -> Iterator[SampleBlock]:
    """Yield the samples of files as they were written, block by block; native histograms come last."""
    import pyarrow.parquet as pq

    for path in files:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield _block(file.read_row_group(group))
    for path in histograms:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield _histogram_block(file.read_row_group(group))


def read_table(
    file: Path, texts: Sequence[str], numbers: Sequence[str]
) -> tuple[list[tuple[str, ...]], Floats]:
    """Return the rows of a table file: the texts of each, and its numbers as a row, null as NaN.

    Raises InvalidInputError when it is not such a file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file).read([*texts, *numbers])
        rows = list(zip(*(table[name].to_pylist() for name in texts), strict=True))
        columns = [table[name].cast("float64").to_numpy() for name in numbers]
    except (pa.ArrowException, KeyError) as error:
        raise InvalidInputError(f"{file} is not a table of this kind: {error}") from error
    return rows, np.column_stack(columns)


def _block(table: Any) -> SampleBlock:
    labels, ends = _runs(table)
    times = table["timestamp"].cast("int64").to_numpy()
    return SampleBlock(labels, ends, times, table["value"].to_numpy())


def _histogram_block(table: Any) -> SampleBlock:
    labels, ends = _runs(table)
    times = table["timestamp"].cast("int64").to_numpy()
    samples = [_histogram(each) for each in table[_HISTOGRAM].to_pylist()]
    begins = np.concatenate([[0], ends[:-1]])
    series = [
        HistogramSeries(each, times[begin:end], samples[begin:end])
        for each, begin, end in zip(labels, begins.tolist(), ends.tolist(), strict=True)
    ]
    nothing = np.empty(0)
    return SampleBlock([], np.empty(0, np.intp), nothing.astype(np.int64), nothing, series)


def _runs(table: Any) -> tuple[list[dict[str, str]], Any]:
    """Return the labels of each series of a table, and where its rows end."""
    import pyarrow as pa

    names = [name for name in table.schema.names if name not in {"timestamp", "value", _HISTOGRAM}]
    starts = np.zeros(table.num_rows, np.bool_)
    starts[:1] = True
    columns = {}
    for name in names:
        column = table[name].combine_chunks()
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        codes = column.indices.fill_null(-1).to_numpy()
        starts[1:] |= np.diff(codes) != 0
        columns[name] = (codes, column.dictionary.to_pylist())
    first = np.flatnonzero(starts)
    labels: list[dict[str, str]] = [{} for _ in first]
    for name, (codes, texts) in columns.items():
        label = _NAME if name == "metric" else label_of(name)
        for each, code in zip(labels, codes[first].tolist(), strict=True):
            if code >= 0:
                each[label] = texts[code]
    return labels, np.append(first[1:], table.num_rows).astype(np.intp)


def _histogram(row: Any) -> RawHistogram:
    buckets = [
        (each["boundaries"], str(each["low"]), str(each["high"]), str(each["count"]))
        for each in row["buckets"]
    ]
    return RawHistogram(str(row["count"]), str(row["sum"]), buckets)


def column_of(label: str) -> str:
    """Return the column of a label: its own name, but where that is one of ours."""
    return f"{label}_label" if _TAKEN.fullmatch(label) else label


def label_of(column: str) -> str:
    """Return the label of a column."""
    return column.removesuffix("_label") if _TAKEN.fullmatch(column) else column


class _ParquetFile:
    """A file being written; `rows` counts what it has."""

    def __init__(self, path: Path, schema: Any, **options: Any) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", **options)
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

    def _append(self, table: Any) -> None:
        """Append a table as one row group."""
        self._writer.write_table(table, row_group_size=table.num_rows)
        self.rows += table.num_rows


class SampleFile(_ParquetFile):
    """A Parquet file of samples being written, one row group at a time; `rows` counts them.

    `labels` are all that a series may have: each is a column, null where a series lacks it. Labels
    are dictionaries, as readers take the folder `service=…` for one and would refuse to see it as
    two types.
    """

    sample = "value"

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        import pyarrow as pa

        self._labels = labels
        text = pa.dictionary(pa.int32(), pa.string())
        types = (pa.timestamp("ms", tz="UTC"), text, self._sample_type(), *(text for _ in labels))
        names = ("timestamp", "metric", self.sample, *map(column_of, labels))
        schema = pa.schema(list(zip(names, types, strict=True)))
        encoded = ["metric", *map(column_of, labels)]
        super().__init__(path, schema, use_dictionary=encoded, write_statistics=["metric", "timestamp"])

    def write(self, block: SampleBlock) -> None:
        """Append all samples of a block, in their order."""
        if self._count(block):
            self._append(self._table(block))

    def _table(self, block: SampleBlock) -> Any:
        import pyarrow as pa

        labels, counts, times, samples = self._samples(block)
        runs = np.repeat(np.arange(len(labels)), counts)
        columns = {
            "timestamp": pa.array(times).cast(self._schema.field("timestamp").type),
            self.sample: samples,
        }
        for label, column in ((_NAME, "metric"), *((name, column_of(name)) for name in self._labels)):
            columns[column] = _repeated([each.get(label) for each in labels], runs)
        return pa.table([columns[name] for name in self._schema.names], schema=self._schema)

    def _sample_type(self) -> Any:
        import pyarrow as pa

        return pa.float64()

    def _count(self, block: SampleBlock) -> int:
        return len(block.times)

    def _samples(self, block: SampleBlock) -> tuple[Sequence[Labels], Any, Milliseconds, Any]:
        """Return the labels of each series, how many samples it has, and all times and samples."""
        import pyarrow as pa

        return block.labels, np.diff(block.ends, prepend=0), block.times, pa.array(block.values)


def _repeated(texts: Sequence[str | None], runs: Any) -> Any:
    """Return a column with each series' text in all of its rows, null where it has none."""
    import pyarrow as pa

    codes: dict[str | None, int] = {}
    of_series = np.array([codes.setdefault(text, len(codes)) for text in texts], np.int32)
    if len(codes) == 1 and None not in codes:
        return pa.DictionaryArray.from_arrays(np.zeros(len(runs), np.int32), list(codes))
    of_rows = of_series[runs]
    missing = None if None not in codes else of_rows == codes[None]
    known = [text or "" for text in codes]
    return pa.DictionaryArray.from_arrays(pa.array(of_rows, mask=missing), pa.array(known, pa.string()))


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

    def _count(self, block: SampleBlock) -> int:
        return sum(len(series.samples) for series in block.histograms)

    def _samples(self, block: SampleBlock) -> tuple[Sequence[Labels], Any, Milliseconds, Any]:
        import pyarrow as pa

        series = block.histograms
        values = [_plain(histogram) for each in series for histogram in each.samples]
        return (
            [each.labels for each in series],
            [len(each.samples) for each in series],
            np.concatenate([each.times for each in series]),
            pa.array(values, self._schema.field(self.sample).type),
        )


def _plain(histogram: RawHistogram) -> dict[str, Any]:
    return {
        "count": float(histogram.count),
        "sum": float(histogram.sum),
        "buckets": [
            {"boundaries": rule, "low": float(low), "high": float(high), "count": float(count)}
            for rule, low, high, count in histogram.buckets
        ],
    }


class TableFile(_ParquetFile):
    """A Parquet file of a table being written: columns of text, then of numbers, NaN written as null.

    `whole` are columns of whole numbers. `rows` counts what was written.
    """

    def __init__(self, path: Path, texts: Sequence[str], numbers: Sequence[str], whole: Set[str]) -> None:
        import pyarrow as pa

        types = [(name, pa.string()) for name in texts]
        types += [(name, pa.int64() if name in whole else pa.float64()) for name in numbers]
        self._texts = len(texts)
        super().__init__(path, pa.schema(types), use_dictionary=list(texts), write_statistics=list(texts))

    def write(self, texts: Sequence[Sequence[str]], numbers: Floats) -> None:
        """Append rows, as one row group: the texts of each, and its numbers as a row."""
        import pyarrow as pa

        columns = [pa.array(column, pa.string()) for column in zip(*texts, strict=True)]
        for field, column in zip(list(self._schema)[self._texts :], numbers.T, strict=True):
            columns.append(pa.array(column, from_pandas=True).cast(field.type))
        self._append(pa.table(columns, schema=self._schema))
