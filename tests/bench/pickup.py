"""From dropping a target file to its file in file_sd, and to `up`.

Prometheus looks at file_sd every 5 s, which is most of what either way takes. So the two ways are
paired: one Prometheus reads the folder that monitord writes and one written by hand, and both get
the same targets at the same moment of its 5 s.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from monitord.documents.strict_yaml import write_document
from monitord.errors import PrometheusUnavailableError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.child.command import ServerOptions, command_line
from monitord.prometheus.child.process import PrometheusProcess
from monitord.prometheus.config.programs import find_binary, read_build
from monitord.session.folder import Session
from monitord.system.logs import LogFile
from tests.bench.figures import Row, aimed, percentile, ratio_of_means
from tests.bench.file_sd import FileSd, marked
from tests.bench.session import await_that, drop
from tests.fakes.exporter import FakeExporter, gauge

TRIALS = 12
TARGETS = 8  # of one file: each is scraped at an offset of its own, which the mean evens out
DISCOVERY_SECONDS = 5.0
UP_AIM = 1.05
DISK_AIM_MS = 50.0
DROPS = 200
_VIA, _BY_HAND = "via", "byhand"


def on_disk(session: Session) -> list[Row]:
    """Return the rows for drop to file_sd, by inotify."""
    milliseconds = [1000 * seconds for seconds in drops_to_disk(session, session.targets, DROPS)]
    measure = "drop to file_sd on disk, inotify"
    return [
        aimed(f"{measure}, p50", percentile(milliseconds, 0.50), DISK_AIM_MS, "ms"),
        Row(f"{measure}, p99", f"{percentile(milliseconds, 0.99):.4g} ms"),
    ]


def drops_to_disk(session: Session, targets: Path, drops: int, phase_seconds: float = 0.0) -> list[float]:
    """Return for each of some drops into `targets` how long it took to be in file_sd.

    Each waits first for a random share of `phase_seconds`, so as not to keep step with a poll.
    """
    file_sd, seconds = FileSd(session.file_sd), []
    for number in range(drops):
        time.sleep(random.uniform(0, phase_seconds))
        started = time.perf_counter()
        drop(targets / f"disk{number}.yaml", marked(f"disk{number}", 10000 + number))
        seconds.append(file_sd.await_marks([f"disk{number}"], f"drop {number}") - started)
    for number in range(drops):
        (targets / f"disk{number}.yaml").unlink()
    file_sd.await_none(f"disk{number}" for number in range(drops))
    return seconds


def to_up(session: Session, folder: Path) -> list[Row]:
    """Return the row for drop to `up`, beside writing file_sd by hand."""
    by_hand = folder / "by-hand"
    by_hand.mkdir()
    pairs = []
    with FakeExporter() as exporter, _prometheus(folder, session.file_sd, by_hand) as client:
        exporter.expose(gauge("bench", 1.0))
        for number in range(TRIALS):
            time.sleep(random.uniform(0, DISCOVERY_SECONDS))  # a random phase of the 5 s
            pairs.append(_Trial(number, exporter.address, session, by_hand).run(client))
    via, hand = [pair[_VIA] for pair in pairs], [pair[_BY_HAND] for pair in pairs]
    ratio, error = ratio_of_means(via, hand)
    peer = f"{fmean(hand):.2f} s  file_sd by hand"
    return [Row("drop to up, mean", f"{fmean(via):.2f} s", peer, ratio, error, UP_AIM)]


@dataclass(frozen=True, slots=True)
class _Trial:
    """The same targets, dropped for monitord and written into file_sd by hand."""

    number: int
    exporter: str
    session: Session
    by_hand: Path

    def run(self, client: PrometheusClient) -> dict[str, float]:
        """Return for each way how many seconds passed until its targets were up, in the mean."""
        writers: list[tuple[str, Callable[[], None]]] = [(_VIA, self._drop), (_BY_HAND, self._write)]
        if self.number % 2:
            writers.reverse()
        written = {}
        for way, write in writers:
            written[way] = time.time()
            write()
        seen: dict[str, float] = {}
        await_that(lambda: self._all_up(client, seen), f"trial {self.number} to be up")
        return {way: fmean(seen[job] for job in self._jobs(way)) - written[way] for way in written}

    def _all_up(self, client: PrometheusClient, seen: dict[str, float]) -> bool:
        up = client.query(f'up{{job=~".*_{self.number}_.*"}} == 1')
        now = time.time()
        for series in up.series:
            seen.setdefault(series.labels["job"], now)
        return len(seen) == 2 * TARGETS

    def _jobs(self, way: str) -> list[str]:
        return [f"{way}_{self.number}_{index}" for index in range(TARGETS)]

    def _drop(self) -> None:
        services = [
            {"name": job, "endpoint": f"http://{self.exporter}/metrics/{job}"} for job in self._jobs(_VIA)
        ]
        # With a line break at its end, as every editor and YAML library writes one: monitord waits
        # a second for the rest of a file without.
        drop(self.session.targets / f"up{self.number}.yaml", json.dumps({"services": services}) + "\n")

    def _write(self) -> None:
        groups = [
            {"targets": [self.exporter], "labels": {"job": job, "__metrics_path__": f"/metrics/{job}"}}
            for job in self._jobs(_BY_HAND)
        ]
        drop(self.by_hand / f"up{self.number}.json", json.dumps(groups))


@contextmanager
def _prometheus(folder: Path, *file_sd: Path) -> Iterator[PrometheusClient]:
    """Run a Prometheus that scrapes every second what these folders say."""
    build = read_build(find_binary())
    config, log = folder / "prometheus.yml", folder / "prometheus.log"
    config.write_bytes(write_document(_config(file_sd)))
    argv = command_line(build, ServerOptions(config, folder / "data", "127.0.0.1:0", 86400.0))
    process = PrometheusProcess.start(argv, LogFile(log, 0o600, max_bytes=2**24, kept=4).write, os.environ)
    try:
        await_that(process.listening_url, "Prometheus")
        with PrometheusClient(process.listening_url() or "") as client:
            await_that(lambda: _answers(client), "Prometheus to be ready")
            yield client
    finally:
        process.stop(10.0)


def _config(file_sd: tuple[Path, ...]) -> Mapping[str, object]:
    files = [f"{path}/*.json" for path in file_sd]
    job = {"job_name": "bench", "file_sd_configs": [{"files": files, "refresh_interval": "5s"}]}
    return {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}


def _answers(client: PrometheusClient) -> bool:
    try:
        return client.ready()
    except PrometheusUnavailableError:
        return False
