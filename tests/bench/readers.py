"""`python -m tests.bench.readers WAY URL PAST ROOT`: read a past window in a process of its own.

Imports are not counted: a daemon has made them before its first window, its reader of raw samples
before its second.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import requests
import structlog

from monitord.artifacts.attempt import Attempt
from monitord.artifacts.store import read_manifest
from monitord.daemon.collector import Collector
from monitord.daemon.measure import Measurement
from monitord.prometheus.api.client import PrometheusClient
from monitord.session.folder import Session
from monitord.session.held import hold
from monitord.session.settings_sources import load_settings
from tests.bench.past import INTERVAL, START, Past, registry_of
from tests.bench.taken import Taken, run, tell
from tests.fakes.guard import unguarded

SAMPLE = re.compile(rb'\[\d{10}[.\d]*,"')
PEER = Path(sys.prefix) / "peer" / "bin" / "python"


def read(way: str, url: str, past: Past, root: Path) -> Taken:
    """Read the window of a past in one way; its session is below `root`.

    Raises RuntimeError when not every sample was read, and once each.
    """
    if way == "peer":
        window = past.window
        command = [str(PEER), "-m", "tests.bench.by_peer", url, str(window.start), str(window.end)]
        taken = run([*command, str(root / "peer.csv")])
    else:
        command = [sys.executable, "-m", "tests.bench.readers", way, url]
        taken = run([*command, json.dumps(asdict(past)), str(root)])
    if taken.samples != past.samples:
        raise RuntimeError(f"{way} read {taken.samples} samples of {past.samples}")
    return taken


def whole(url: str, past: Past, root: Path) -> None:
    """Collect the window as the daemon does: KPIs, their course, CSV and JSON, raw samples as Parquet."""
    session = Session(root, "past")
    collector = Collector(structlog.get_logger(), session)
    measurement = _measurement(url, session, collector)
    # Another window has come before, as it has for a daemon but once.
    measurement.measure(
        replace(past.window, id="before", end=START + INTERVAL), unsettled=False, attempt=Attempt()
    )
    gc.freeze()  # as the daemon does
    started = time.perf_counter()
    collected = measurement.measure(past.window, unsettled=False, attempt=Attempt())
    seconds = time.perf_counter() - started
    if collected.status != "complete":
        raise RuntimeError(f"the window is {collected.status}: {collected.reasons}")
    manifest = read_manifest(Path(collected.folder)) or {}
    read = sum(file["rows"] for file in manifest["files"] if file["path"].startswith("samples/"))
    if past.plain:  # they are read, but not kept
        read = manifest["own_cost"]["scrapes"] * past.series // past.nodes
    pids = [os.getpid(), *([collector.pid] if collector.pid else [])]
    tell(seconds, read, pids)
    collector.close()


def bare(url: str, past: Past, root: Path) -> None:
    """Read the raw samples in one request, and do nothing with the answer."""
    window = past.window
    query = {"query": f'{{session="past"}}[{window.seconds:.0f}s]', "time": str(window.end)}
    started = time.perf_counter()
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"
        content = session.get(f"{url}/api/v1/query", params=query).content
    tell(time.perf_counter() - started, len(SAMPLE.findall(content)))


def _measurement(url: str, session: Session, collector: Collector) -> Measurement:
    settings, _ = load_settings(session.settings_file)
    registry = registry_of(session)
    return Measurement(
        hold(session, unguarded), settings, partial(PrometheusClient, url, None), lambda: registry, collector
    )


WAYS: dict[str, Callable[[str, Past, Path], None]] = {"whole": whole, "bare": bare}

if __name__ == "__main__":
    name, server, given, folder = sys.argv[1:]
    WAYS[name](server, Past(**json.loads(given)), Path(folder))
