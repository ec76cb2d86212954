"""Windows of the past: beside prometheus-api-client with pandas, and as large ones as there may be.

Every way of reading is a process of its own, on one server; the ways take turns, so that whatever
slows the machine slows all of them. Times are medians, memory is the most that any had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from monitord.prometheus.config.programs import find_binary, read_build
from tests.bench.figures import Row, aimed, skipped
from tests.bench.past import Past
from tests.bench.readers import PEER, read
from tests.bench.taken import Taken
from tests.fakes.backfill import serving

HOUR = Past(nodes=4, series=1_000, scrapes=720)
LARGE = Past(nodes=40, series=10_000, scrapes=1_000)
MANY = Past(nodes=10_000, series=150_000, scrapes=120, plain=True)
ROUNDS = 5
SPEED_AIM, BARE_AIM, MEMORY_AIM, LARGE_AIM_MB = 0.1, 5.0, 0.33, 400.0
COLLECTION = "KPIs, CSV, Parquet"  # and the course of the KPIs, coverage, verdict, manifest
BY_PEER = "raw samples, frame, CSV: prometheus-api-client"
BARELY = "raw samples, bare HTTP read"


def measure(folder: Path) -> list[Row]:
    """Return the rows for an hour of a thousand series."""
    what = f"{HOUR.samples:,} samples"
    if not PEER.exists():
        return [skipped(f"{what}: {COLLECTION}", f"no peer in {PEER}; make bench installs it")]
    with served(HOUR, folder) as url:
        turns = [
            {way: read(way, url, HOUR, folder) for way in ("bare", "whole", "peer")} for _ in range(ROUNDS)
        ]
    bare, whole, peer = (_median([turn[way] for turn in turns]) for way in turns[0])
    return [
        _row(f"{what}: {COLLECTION}", whole, peer, BY_PEER, SPEED_AIM),
        _row(f"{what}: {COLLECTION}", whole, bare, BARELY, BARE_AIM),
        Row(f"{what}: {COLLECTION}, peak memory", _mb(whole), f"{_mb(peer)}  {BY_PEER}",
            whole.peak_mb / peer.peak_mb, aim=MEMORY_AIM),
    ]  # fmt: skip


def measure_large(folder: Path) -> list[Row]:
    """Return the rows for ten million samples."""
    what = f"{LARGE.samples:,} samples"
    with served(LARGE, folder) as url:
        whole = read("whole", url, LARGE, folder)
    return [
        aimed(f"{what}: {COLLECTION}, peak memory", whole.peak_mb, LARGE_AIM_MB, "MB"),
        Row(f"{what}: {COLLECTION}", f"{whole.seconds:.3g} s", f"{_per_second(whole)} samples/s"),
    ]


def measure_many(folder: Path) -> list[Row]:
    """Return the rows for ten minutes of ten thousand targets, KPIs only."""
    what = f"{MANY.nodes:,} targets, {MANY.samples:,} samples: KPIs, CSV"
    with served(MANY, folder) as url:
        whole = read("whole", url, MANY, folder)
    return [
        Row(what, f"{whole.seconds:.3g} s", f"{_per_second(whole)} samples/s"),
        Row(f"{what}, peak memory", _mb(whole), ""),
    ]


@contextmanager
def served(past: Past, folder: Path) -> Iterator[str]:
    """Serve a past, whose session is below the folder, by a real Prometheus; yield its URL."""
    block, server = folder / "block", folder / "server"
    block.mkdir()
    server.mkdir()
    data = past.block(past.session(folder), block)
    with serving(read_build(find_binary()), data, server) as client:
        yield client.url


def _median(taken: Sequence[Taken]) -> Taken:
    peak = max(each.peak_mb for each in taken)
    return Taken(median(each.seconds for each in taken), taken[0].samples, peak)


def _row(measure: str, value: Taken, peer: Taken, what: str, aim: float) -> Row:
    told = f"{peer.seconds:.3g} s  {what}"
    return Row(measure, f"{value.seconds:.3g} s", told, value.seconds / peer.seconds, aim=aim)


def _mb(taken: Taken) -> str:
    return f"{taken.peak_mb:.0f} MB"


def _per_second(taken: Taken) -> str:
    return f"{taken.samples / taken.seconds:,.0f}"
