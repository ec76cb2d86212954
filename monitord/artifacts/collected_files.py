"""A window collected, with files made of its samples: the summary of all series, and the raw samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from monitord.artifacts.sample_files import SampleWriter
from monitord.artifacts.series_files import SeriesWriter
from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.metric_types import Metadata, MetricTypes
from monitord.collect.request import CollectionRequest
from monitord.collect.sample_queries import MAX_SAMPLES
from monitord.collect.series_summary import SeriesSummary
from monitord.collect.verdict import Reason
from monitord.errors import AccessRefusedError, PrometheusError, PrometheusUnavailableError
from monitord.kpis.promql import session_matchers
from monitord.kpis.span import Span
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.sample_block import SampleBlock


class CollectedFiles(NamedTuple):
    """What came of a window; its files by their path in the artifact folder, with their numbers of rows."""

    collection: CollectedWindow
    files: dict[str, Path]
    rows: dict[str, int]


def collect_into_files(
    request: CollectionRequest,
    client: PrometheusClient,
    folder: Path,
    reasons: Sequence[Reason] = (),
    keep_samples: bool = True,
    progress: Callable[[], None] = lambda: None,
    most: int = MAX_SAMPLES,
) -> CollectedFiles:
    """Collect a window, and write files into a folder, which is the caller's to remove.

    `progress` is called after each answer of the server. Raises what `collect` and the writers raise.
    """
    with ExitStack() as stack:
        series = stack.enter_context(_series_writer(request.span, client, folder))
        writer = stack.enter_context(_sample_writer(request.whole, client, folder)) if keep_samples else None

        def keep(job: str, block: SampleBlock) -> None:
            if writer is not None:
                writer.write(job, block)
            progress()

        collection = collect(
            request, client, extra_reasons=reasons, keep=keep, most=most, summarize=series.write
        )
        files, rows = series.close()
        if writer is not None:
            raw_files, raw_rows = writer.close()
            files, rows = files | raw_files, rows | raw_rows
    return CollectedFiles(collection, files, rows)


def _sample_writer(span: Span, client: PrometheusClient, folder: Path) -> SampleWriter:
    labels = client.label_names(f"{{{session_matchers(span.session)}}}", span.earliest, span.latest)
    return SampleWriter(folder, labels)


def _series_writer(span: Span, client: PrometheusClient, folder: Path) -> SeriesWriter:
    return SeriesWriter(folder, SeriesSummary(span, MetricTypes(_metadata(client))))


def _metadata(client: PrometheusClient) -> Metadata:
    """Return what exporters declare of their metrics; nothing where the server does not know."""
    try:
        return client.metadata()
    except (PrometheusUnavailableError, AccessRefusedError):
        raise
    except PrometheusError:
        return {}
