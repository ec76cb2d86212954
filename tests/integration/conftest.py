"""A module's `block` of stored samples, served by each real version of Prometheus in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build
from tests.fakes.backfill import serving


@pytest.fixture(scope="module")
def client(
    each_build: Build, block: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusClient]:
    with serving(each_build, block, tmp_path_factory.mktemp("prometheus")) as connection:
        yield connection
