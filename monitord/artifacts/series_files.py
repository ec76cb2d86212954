"""The summary of all series of a window as files, written in pieces while samples are read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from monitord.artifacts import parquet
from monitord.artifacts.formats import cell, csv_line
from monitord.artifacts.layout import SERIES, SERIES_CSV
from monitord.artifacts.threaded_writer import ThreadedWriter
from monitord.collect.series_summary import COLUMNS, NUMBERS, TEXTS, SeriesRows, SeriesSummary
from monitord.kpis.readings.target_samples import TargetSamples

MAX_CSV_ROWS = 200_000
ROWS_TOGETHER = 20_000
"""How many rows a row group has, at least: there may be thousands of targets with some series each."""


class SeriesWriter(ThreadedWriter):
    """Writes a row for each series into files in a folder, which is the caller's to remove.

    A thread summarizes and writes some targets while the next ones are read. Raises OSError when the files
    cannot be written, be it a call later, and PassingError when no thread can be started.
    """

    def __init__(self, folder: Path, summary: SeriesSummary, most_csv: int = MAX_CSV_ROWS) -> None:
        super().__init__()
        self._summary = summary
        self._most_csv = most_csv
        self._pending: list[SeriesRows] = []
        self._path, self._csv_path = folder / SERIES, folder / SERIES_CSV
        self._file = self._stack.enter_context(parquet.TableFile(self._path, TEXTS, NUMBERS, {"n"}))
        self._of_csv = self._stack.enter_context(ExitStack())
        opened = self._csv_path.open("w", encoding="utf-8", newline="")
        self._csv: TextIOWrapper | None = self._of_csv.enter_context(opened)
        self._csv.write(f"{csv_line(COLUMNS)}\n")

    def write(self, targets: Sequence[TargetSamples]) -> None:
        """Append the series of some targets."""
        self._submit(self._write, targets)

    def close(self) -> tuple[dict[str, Path], dict[str, int]]:
        """Close the files; return each by its path in the artifact folder, and its number of rows."""
        self._submit(self._flush)
        self._wait()
        files = {SERIES: self._path} | ({SERIES_CSV: self._csv_path} if self._csv else {})
        self._stack.close()
        return files, dict.fromkeys(files, self._file.rows)

    def _write(self, targets: Sequence[TargetSamples]) -> None:
        for target in targets:
            self._pending += self._summary.rows(target)
        if sum(len(each.texts) for each in self._pending) >= ROWS_TOGETHER:
            self._flush()

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        texts = [each for rows in pending for each in rows.texts]
        if not texts:
            return
        numbers = np.concatenate([rows.numbers for rows in pending])
        self._file.write(texts, numbers)
        if self._csv and self._file.rows > self._most_csv:
            self._of_csv.close()
            self._csv = None
            self._csv_path.unlink()
        if self._csv:
            self._csv.writelines(
                f"{csv_line(of_row)},{round(n)},{','.join(map(cell, others))}\n"
                for of_row, (n, *others) in zip(texts, numbers.tolist(), strict=True)
            )


def read_series(file: Path) -> SeriesRows:
    """Return the rows of a summary in Parquet; raises InvalidInputError when it is none, and OSError."""
    return SeriesRows(*parquet.read_table(file, TEXTS, NUMBERS))
