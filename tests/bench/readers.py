"""`python -m tests.bench.readers WAY URL …`: read a window in one way, in a process of its own.

What it took is printed as JSON. Imports are not counted: whoever reads windows has made them long ago.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from monitord.artifacts.samples import sampled
from monitord.collect.collect import collect
from monitord.collect.request import CollectionRequest
from monitord.daemon.measure import QUERY_TIMEOUT_SECONDS, Measurement
from monitord.prometheus.api import PrometheusClient
from monitord.prometheus.command import has_left_open_ranges
from monitord.session import Session
from monitord.settings import load_settings
from tests.bench.past import INTERVAL, Past, registry_of

SAMPLES = re.compile(rb'\[\d{10}[.\d]*,"')


@dataclass(frozen=True)
class Taken:
    """What it took to read a window: time, and the most memory that the process ever had."""

    seconds: float
    samples: int
    peak_mb: float = 0.0


def read(way: str, url: str, past: Past, root: Path) -> Taken:
    """Read the window of the past in one way, in a new process; its session is below `root`."""
    parameters = [url, json.dumps(asdict(past)), str(root)]
    command = [sys.executable, "-m", "tests.bench.readers", way, *parameters]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    taken = Taken(**json.loads(done.stdout))
    if taken.samples != past.samples:
        raise RuntimeError(f"{way} read {taken.samples} samples of {past.samples}")
    return taken


def by_monitord(url: str, past: Past, root: Path) -> Taken:
    """Collect the window as the daemon does: KPIs, their course, CSV and JSON, raw samples as Parquet."""
    importlib.import_module("pyarrow.parquet")
    measurement = _measurement(url, Session(root, "past"))
    started = time.perf_counter()
    collected = measurement.measure(past.window, unsettled=False)
    seconds = time.perf_counter() - started
    if collected.status != "complete":
        raise RuntimeError(f"the window is {collected.status}: {collected.reasons}")
    files = json.loads((Path(collected.folder) / "MANIFEST.json").read_text())["files"]
    return Taken(seconds, sum(file["rows"] for file in files if file["path"].endswith(".parquet")))


def samples_alone(url: str, past: Past, root: Path) -> Taken:
    """Read the raw samples as a collection does, into Parquet files, and nothing else."""
    importlib.import_module("pyarrow.parquet")
    measurement = _measurement(url, Session(root, "past"))
    targets = measurement.targets(past.window.end)
    with measurement.connect(QUERY_TIMEOUT_SECONDS) as client:
        left_open = has_left_open_ranges(str(client.build_info()["version"]))
        request = CollectionRequest("past", past.window, targets, INTERVAL, 0.9, (), left_open=left_open)
        collection = collect(request, client)
        started = time.perf_counter()
        with sampled(collection, client, root) as samples:
            return Taken(time.perf_counter() - started, sum(samples.rows.values()))


def _measurement(url: str, session: Session) -> Measurement:
    settings, _ = load_settings(session.settings_file)
    registry = registry_of(session)
    return Measurement(session, settings, partial(PrometheusClient, url, None), lambda: registry)


def by_peer(url: str, past: Past, root: Path) -> Taken:
    """Read the raw samples with prometheus-api-client, in one request, frame them, and write a CSV file."""
    from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect  # noqa: PLC0415

    start, end = (datetime.fromtimestamp(at, UTC) for at in (past.window.start, past.window.end))
    started = time.perf_counter()
    client = PrometheusConnect(url)
    # Without a name the selector picks every series of the session.
    data = client.get_metric_range_data("", {"session": "past"}, start_time=start, end_time=end)
    frame = MetricRangeDataFrame(data)
    frame.to_csv(root / "peer.csv")
    return Taken(time.perf_counter() - started, len(frame))


def barely(url: str, past: Past, root: Path) -> Taken:
    """Read the raw samples in one request, and do nothing with the answer."""
    import requests  # noqa: PLC0415

    window = past.window
    query = {"query": f'{{session="past"}}[{window.seconds:.0f}s]', "time": str(window.end)}
    started = time.perf_counter()
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"
        content = session.get(f"{url}/api/v1/query", params=query).content
    seconds = time.perf_counter() - started
    return Taken(seconds, len(SAMPLES.findall(content)))


WAYS: dict[str, Callable[[str, Past, Path], Taken]] = {
    "monitord": by_monitord,
    "samples": samples_alone,
    "peer": by_peer,
    "bare": barely,
}


def _peak_mb() -> float:
    # Not ru_maxrss: what a process had before it became this one counts there, too.
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) * 1024 / 1e6


def main(arguments: Sequence[str]) -> None:
    """Read in the way that is named, and print what it took."""
    way, url, past, root = arguments
    taken = WAYS[way](url, Past(**json.loads(past)), Path(root))
    print(json.dumps(asdict(replace(taken, peak_mb=_peak_mb()))))


if __name__ == "__main__":
    main(sys.argv[1:])
