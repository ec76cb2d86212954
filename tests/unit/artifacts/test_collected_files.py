"""A window collected into files: which there are, and what becomes of errors of the server."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from monitord.artifacts.collected_files import CollectedFiles, collect_into_files
from monitord.artifacts.series_files import read_series
from monitord.collect.metric_types import Metadata
from monitord.collect.request import CollectionRequest
from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api.client import PrometheusClient
from monitord.windows.model import Window
from tests.fakes.sample_client import SESSION, SampleClient, stored

REQUEST = CollectionRequest(SESSION, Window("w", 1000.0, 1010.0), (), 1.0, 0.95, ())
TARGET = {"job": "web", "instance": "h:1", "client": "c1"}


class Client(SampleClient):
    """A server with two series, and its metadata or the error in their place."""

    def __init__(self, metadata: Metadata | Exception) -> None:
        samples = {float(second): float(second) for second in range(995, 1016)}
        super().__init__(stored(TARGET, name, samples) for name in ("hits", "served_total"))
        self._metadata = metadata

    def metadata(self) -> Metadata:
        if isinstance(self._metadata, Exception):
            raise self._metadata
        return self._metadata

    def label_names(self, *_: object) -> list[str]:
        return ["job", "instance", "client"]


def collect(folder: Path, metadata: Metadata | Exception, keep_samples: bool = True) -> CollectedFiles:
    return collect_into_files(
        REQUEST, cast(PrometheusClient, Client(metadata)), folder, keep_samples=keep_samples
    )


def types(made: CollectedFiles) -> dict[str, str]:
    return {metric: kind for metric, kind, *_ in read_series(made.files["series_summary.parquet"]).texts}


def test_metrics_have_the_types_that_the_server_knows(tmp_path: Path) -> None:
    found = types(collect(tmp_path, {"hits": [{"type": "counter"}]}))
    assert (found["hits"], found["served_total"]) == ("counter", "counter")


def test_without_metadata_types_go_by_names(tmp_path: Path) -> None:
    found = types(collect(tmp_path, PrometheusError("404")))
    assert (found["hits"], found["served_total"]) == ("unknown", "counter")


def test_a_server_that_is_unavailable_is_an_error_for_another_try(tmp_path: Path) -> None:
    with pytest.raises(PrometheusUnavailableError):
        collect(tmp_path, PrometheusUnavailableError("later"))


def test_raw_samples_are_kept_or_not(tmp_path: Path) -> None:
    summaries = {"series_summary.csv", "series_summary.parquet"}
    made = collect(tmp_path, {}, keep_samples=False)
    assert made.files.keys() == made.rows.keys() == summaries
    made = collect(tmp_path, {}, keep_samples=True)
    assert made.files.keys() == made.rows.keys() == {*summaries, "samples/service=web/part-0.parquet"}
