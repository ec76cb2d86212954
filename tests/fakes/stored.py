"""A real Prometheus that serves stored samples, known to the last one, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitord.prometheus.api import PrometheusClient
from monitord.prometheus.command import Build
from monitord.prometheus.logfmt import listening_url
from monitord.prometheus.process import find_promtool, read_build
from tests.conftest import wait_until
from tests.versions import VERSIONS, binary_of


def backfill(lines: Iterable[str], folder: Path) -> Path:
    """Make blocks of samples, each a line of OpenMetrics; return the data folder."""
    binary = next(filter(None, map(binary_of, VERSIONS)), None)
    promtool = find_promtool(read_build(binary)) if binary else None
    if promtool is None:
        pytest.fail("no promtool with any Prometheus; run `make tools`")
    with (folder / "samples.om").open("w") as file:
        file.writelines(f"{line}\n" for line in (*lines, "# EOF"))
    command = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "samples.om", "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "data"


@contextmanager
def serving(build: Build, data: Path, folder: Path) -> Iterator[PrometheusClient]:
    """Serve a copy of the data, and nothing else, by one version."""
    shutil.copytree(data, folder / "data")
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    command = [str(build.binary), "--config.file=prometheus.yml", "--storage.tsdb.path=data",
               "--storage.tsdb.retention.time=10y", "--web.listen-address=127.0.0.1:0"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stderr=log, stdout=log)
    try:
        url = wait_until(lambda: listening_url((folder / "log").read_text()), "Prometheus to listen")
        with PrometheusClient(url) as connection:
            wait_until(connection.ready, "Prometheus to be ready")
            yield connection
    finally:
        server.kill()
        server.wait()
