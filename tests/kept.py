"""A window collected with its raw samples kept as Parquet, as the collecting process does it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from monitord.artifacts.sample_files import SampleWriter
from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest
from monitord.collect.sample_queries import MAX_SAMPLES
from monitord.kpis.promql import session_matchers
from monitord.prometheus.api.client import PrometheusClient


class Kept(NamedTuple):
    """What came of a window, and the files of its samples by path, with their numbers of rows."""

    collection: CollectedWindow
    files: dict[str, Path]
    rows: dict[str, int]


def collect_and_keep(
    request: CollectionRequest, client: PrometheusClient, folder: Path, most: int = MAX_SAMPLES
) -> Kept:
    """Collect a window and write its samples into files in a folder."""
    span = request.whole
    labels = client.label_names(f"{{{session_matchers(span.session)}}}", span.earliest, span.latest)
    with SampleWriter(folder, labels) as writer:
        collection = collect(request, client, keep=writer.write, most=most)
        return Kept(collection, *writer.close())
