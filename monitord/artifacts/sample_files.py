"""The raw samples of a window as files, written in pieces while they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from monitord.artifacts import parquet
from monitord.artifacts.layout import HISTOGRAMS, SAMPLES
from monitord.artifacts.threaded_writer import ThreadedWriter
from monitord.prometheus.api.sample_block import SampleBlock


class SampleWriter(ThreadedWriter):
    """Writes samples into files in a folder, which is the caller's to remove: two for each job, as they come.

    A thread writes a block while the next one is read. `labels` are all that a series may have. Raises
    OSError when they cannot be written, be it a call later, and PassingError when no thread can be started.
    """

    def __init__(self, folder: Path, labels: Sequence[str]) -> None:
        super().__init__()
        self._folder = folder
        self._labels = sorted(set(labels) - {"__name__"})
        self._open: dict[tuple[str, str], tuple[Path, parquet.SampleFile]] = {}

    def write(self, job: str, block: SampleBlock) -> None:
        """Append the samples of a job."""
        self._submit(self._write, job, block)

    def _write(self, job: str, block: SampleBlock) -> None:
        if len(block.times):
            self._file(SAMPLES, job, parquet.SampleFile).write(block)
        if block.histograms:
            self._file(HISTOGRAMS, job, parquet.HistogramFile).write(block)

    def close(self) -> tuple[dict[str, Path], dict[str, int]]:
        """Close all files; return each by its path in the artifact folder, and its number of rows."""
        self._wait()
        self._stack.close()
        paths = {
            f"{kind}/service={quote(job, safe='')}/part-0.parquet": each
            for (kind, job), each in self._open.items()
        }
        files = {path: file for path, (file, _) in paths.items()}
        return files, {path: written.rows for path, (_, written) in paths.items()}

    def _file(self, kind: str, job: str, make: type[parquet.SampleFile]) -> parquet.SampleFile:
        if (kind, job) not in self._open:
            path = self._folder / f"{len(self._open)}.parquet"
            self._open[kind, job] = (path, self._stack.enter_context(make(path, self._labels)))
        return self._open[kind, job][1]
