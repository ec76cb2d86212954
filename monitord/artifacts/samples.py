"""The raw samples of a window as files, read from Prometheus and written in pieces."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from monitord.artifacts import parquet
from monitord.atomic import TEMPORARY_PREFIX
from monitord.collect.collection import Collection
from monitord.collect.samples import MAX_SAMPLES, NATIVE_SIZE, sample_queries, scrapes_by_job, series_query
from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.prometheus.samples import read_samples
from monitord.prometheus.series import Answer
from monitord.recipes.promql import session_matchers
from monitord.recipes.span import InstantQuery

NOT_INSTALLED = (
    "raw samples were not kept: that takes the Python package pyarrow; install it "
    "(pip install 'monitord[parquet]') and restart the daemon, or set windows.samples: false"
)


class SampleClient(Protocol):
    """The part of Prometheus's HTTP API that raw samples need; it raises as QueryClient does."""

    def query(self, promql: str, at: float) -> Answer:
        """Evaluate at one time."""

    def query_json(self, promql: str, at: float) -> bytes:
        """Evaluate at one time; return the answer as it was sent."""

    def label_names(self, match: str, start: float, end: float) -> list[str]:
        """Return the labels that series have in a range of time."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Files by their path in the artifact folder, the number of rows of each, and what is missing."""

    files: Mapping[str, Path] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@contextmanager
def sampled(
    collection: Collection, client: SampleClient, artifacts: Path, most: int = MAX_SAMPLES
) -> Iterator[Samples]:
    """Read all raw samples of a collected window into files, which are gone after the context.

    About `most` are held at a time. Samples that cannot be had cost nothing but themselves: a
    warning says why. Raises PrometheusUnavailableError when asking again later may help, and OSError
    when they cannot be written.
    """
    if not parquet.is_available():
        yield Samples(warnings=(NOT_INSTALLED,))
        return
    # Named so that what a crash leaves here is removed with other leftovers.
    folder = artifacts / f"{TEMPORARY_PREFIX}samples-{collection.request.window.id}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield _gathered(collection, client, folder, most)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _gathered(collection: Collection, client: SampleClient, folder: Path, most: int) -> Samples:
    try:
        return _read(collection, client, folder, most)
    except PrometheusUnavailableError:
        raise
    except PrometheusError as error:
        return Samples(warnings=(f"raw samples were not kept: {error}",))


def _read(collection: Collection, client: SampleClient, folder: Path, most: int) -> Samples:
    span = collection.request.span
    most = max(1, most // (NATIVE_SIZE if span.native else 1))
    asked = series_query(span)
    series, scrapes = client.query(asked.promql, asked.at), scrapes_by_job(collection.coverage)
    queries = sample_queries(span, series, scrapes, most)
    found = client.label_names(f"{{{session_matchers(span.session)}}}", span.start, span.end)
    labels = sorted(set(found) - {"__name__"})
    files, rows = {}, {}
    warnings: dict[str, None] = {}
    for number, (job, of_job) in enumerate(queries.items()):
        written = _write(folder / f"{number}.parquet", labels, of_job, client, warnings)
        for kind, file, count in written:
            path = f"{kind}/service={quote(job, safe='')}/part-0.parquet"
            files[path], rows[path] = file, count
    return Samples(files, rows, tuple(warnings))


def _write(
    file: Path,
    labels: Sequence[str],
    queries: Sequence[InstantQuery],
    client: SampleClient,
    warnings: dict[str, None],
) -> list[tuple[str, Path, int]]:
    """Write a job's samples; return what kinds there are, each with its file and number of rows."""
    beside = file.with_suffix(".histograms.parquet")
    with parquet.SampleFile(file, labels) as numbers, parquet.HistogramFile(beside, labels) as histograms:
        for query in queries:
            answer = read_samples(client.query_json(query.promql, query.at))
            numbers.write(answer.series)
            histograms.write(answer.series)
            warnings |= dict.fromkeys(answer.warnings)
    native = [("histograms", beside, histograms.rows)] if histograms.rows else []
    return [("samples", file, numbers.rows), *native]
