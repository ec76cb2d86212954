"""The raw samples of a window as files, read from Prometheus and written in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from monitord.artifacts import parquet
from monitord.artifacts.layout import SAMPLES
from monitord.collect.sample_queries import (
    MAX_SAMPLES,
    NATIVE_SIZE,
    sample_queries,
    scrapes_query,
    series_query,
)
from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.kpis.promql import session_matchers
from monitord.kpis.span import InstantQuery, Span
from monitord.prometheus.api.raw_samples import RawSeries, read_samples
from monitord.prometheus.api.series import Answer

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


def gather(
    span: Span,
    client: SampleClient,
    folder: Path,
    most: int = MAX_SAMPLES,
    going: Callable[[], None] = lambda: None,
) -> Samples:
    """Read all raw samples of a window into files in a folder, which is the caller's to remove.

    At most about `most` are kept in memory; `going` is called after each answer. A warning explains
    which samples are missing. Raises PrometheusUnavailableError when asking
    again later may help, and OSError when they cannot be written.
    """
    try:
        return _read(span, client, folder, most, going)
    except PrometheusUnavailableError:
        raise
    except PrometheusError as error:
        return Samples(warnings=(f"raw samples were not kept: {error}",))


def _read(span: Span, client: SampleClient, folder: Path, most: int, going: Callable[[], None]) -> Samples:
    most = max(1, most // (NATIVE_SIZE if span.native else 1))
    series, scrapes = (
        client.query(each.promql, each.at) for each in (series_query(span), scrapes_query(span))
    )
    queries = sample_queries(span, series, scrapes, most)
    found = client.label_names(f"{{{session_matchers(span.session)}}}", span.start, span.end)
    labels = sorted(set(found) - {"__name__"})
    files, rows = {}, {}
    warnings: dict[str, None] = {}
    for number, (job, of_job) in enumerate(queries.items()):
        answers = _answers(of_job, client, warnings, going)
        for kind, file, count in _write(folder / f"{number}.parquet", labels, answers):
            path = f"{kind}/service={quote(job, safe='')}/part-0.parquet"
            files[path], rows[path] = file, count
    return Samples(files, rows, tuple(warnings))


def _answers(
    queries: Sequence[InstantQuery],
    client: SampleClient,
    warnings: dict[str, None],
    going: Callable[[], None],
) -> Iterator[Sequence[RawSeries]]:
    for query in queries:
        answer = read_samples(client.query_json(query.promql, query.at))
        warnings |= dict.fromkeys(answer.warnings)
        yield answer.series
        going()


def _write(
    file: Path, labels: Sequence[str], answers: Iterable[Sequence[RawSeries]]
) -> list[tuple[str, Path, int]]:
    """Write a job's samples; return what kinds there are, each with its file and number of rows."""
    beside = file.with_suffix(".histograms.parquet")
    with parquet.SampleFile(file, labels) as numbers, parquet.HistogramFile(beside, labels) as histograms:
        for series in answers:
            numbers.write(series)
            histograms.write(series)
    native = [("histograms", beside, histograms.rows)] if histograms.rows else []
    return [(SAMPLES, file, numbers.rows), *native]
