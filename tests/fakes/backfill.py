"""Data that are known to the last sample: written as a block, and served by any version of Prometheus."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pytest

from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build
from monitord.prometheus.child.logfmt import listening_url
from monitord.prometheus.config.programs import find_promtool, read_build
from tests.conftest import wait_until
from tests.versions import VERSIONS, binary_of


def sample(name: str, labels: dict[str, str], value: float, time: float) -> str:
    """Write a sample in OpenMetrics' text; `time` is in Unix seconds, to the millisecond."""
    text = ",".join(f'{key}="{each}"' for key, each in labels.items())
    return f"{name}{{{text}}} {value!r} {time:.3f}"


def write_block(folder: Path, lines: Iterable[str]) -> Path:
    """Write samples into a new data folder below this one; return it."""
    binary = next(filter(None, map(binary_of, VERSIONS)), None)
    promtool = find_promtool(read_build(binary)) if binary else None
    if promtool is None:
        pytest.fail("no promtool with any Prometheus; run `make tools`")
    with (folder / "samples.om").open("w") as file:
        file.writelines(f"{line}\n" for line in chain(lines, ["# EOF"]))
    backfill = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "samples.om", "data"]
    subprocess.run(backfill, cwd=folder, check=True, capture_output=True)
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
