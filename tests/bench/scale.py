"""Ten thousand target files: picked up at once, at a start, and one by one; and what they cost at rest."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import psutil

from monitord.session.folder import Session
from monitord.system.children import Child
from tests.bench.figures import Row, aimed
from tests.bench.file_sd import FileSd, marked
from tests.bench.session import await_ready, await_that, created_session, drop, running_daemon

BURST = 1_000
FILES = 10_000
CHANGES = 10
REST_SECONDS = 30.0
LOOK_SECONDS = 0.005
PORTS = (1, 2, 3)  # nothing listens there, and Prometheus hardly ever asks: see QUIET
QUIET = {"scrape_interval": "1h"}
BURST_AIM_SECONDS, COLD_AIM_SECONDS, CHANGE_AIM_MS = 1.0, 3.0, 150.0
CPU_AIM_PERCENT, RSS_AIM_MB = 1.0, 150.0
CALM_PERCENT = 5.0  # below which it is taken to have told all statuses, and to rest from now on


def measure(folder: Path) -> list[Row]:
    """Return the rows for a burst of files, and for all that has to do with ten thousand."""
    rows = _burst(created_session(folder, "burst", **QUIET))
    session = created_session(folder, "scale", **QUIET)
    fill(session, FILES)
    file_sd = FileSd(session.file_sd)
    started = time.perf_counter()
    with running_daemon(session) as daemon:
        seconds = file_sd.await_marks(marks(FILES), "all files", LOOK_SECONDS) - started
        rows.append(aimed(f"cold start with {FILES:,} files of {len(PORTS)}", seconds, COLD_AIM_SECONDS, "s"))
        await_ready(session, daemon)
    drop(session.targets / "canary.yaml", marked("canary", *PORTS))
    started = time.perf_counter()
    with running_daemon(session) as daemon:
        seconds = file_sd.await_marks(["canary"], "the canary", LOOK_SECONDS) - started
        rows.append(Row("warm restart with them, to the first new file", f"{seconds:.4g} s"))
        await_ready(session, daemon)
        rows.append(_changes(session, file_sd))
        rows += _rest(daemon)
    return rows


def fill(session: Session, files: int) -> None:
    """Put so many target files into a session's drop folder."""
    for number in range(files):
        (session.targets / f"file{number}.yaml").write_text(marked(f"file{number}", *PORTS))


def marks(files: int) -> Iterable[str]:
    """Return the marks of what `fill` put there."""
    return (f"file{number}" for number in range(files))


def _burst(session: Session) -> list[Row]:
    file_sd, names = FileSd(session.file_sd), [f"burst{number}" for number in range(BURST)]
    with running_daemon(session) as daemon:
        await_ready(session, daemon)
        for name in names:
            (session.targets / f".{name}").write_text(marked(name, *PORTS))
        started = time.perf_counter()
        for name in names:
            (session.targets / f".{name}").rename(session.targets / f"{name}.yaml")
        seconds = file_sd.await_marks(names, "all files", LOOK_SECONDS) - started
    return [aimed(f"{BURST:,} files dropped at once, to file_sd", seconds, BURST_AIM_SECONDS, "s")]


def _changes(session: Session, file_sd: FileSd) -> Row:
    file, milliseconds = session.targets / "file0.yaml", []
    for number in range(CHANGES):
        time.sleep(0.5)  # one change at a time, each found by a daemon at rest
        started = time.perf_counter()
        drop(file, marked(f"change{number}", *PORTS))
        milliseconds.append(1000 * (file_sd.await_marks([f"change{number}"], "the change") - started))
    return aimed(f"one change among {FILES:,}, median to file_sd", median(milliseconds), CHANGE_AIM_MS, "ms")


def _rest(daemon: Child) -> list[Row]:
    process = psutil.Process(daemon.pid)
    await_that(lambda: process.cpu_percent(interval=2.0) < CALM_PERCENT, "the daemon to be at rest")
    before, started = sum(process.cpu_times()[:2]), time.perf_counter()
    time.sleep(REST_SECONDS)
    cpu = 100 * (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - started)
    rss = process.memory_info().rss / 1e6
    return [
        aimed(f"daemon at rest with {FILES:,} files, CPU", cpu, CPU_AIM_PERCENT, "% of a core"),
        aimed(f"daemon at rest with {FILES:,} files, memory", rss, RSS_AIM_MB, "MB"),
    ]
