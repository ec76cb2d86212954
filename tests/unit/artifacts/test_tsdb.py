"""Which blocks of a snapshot a window gets, and what becomes of one that cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitord.artifacts.tsdb import blocks_of
from monitord.errors import PrometheusUnavailableError
from monitord.kpis.span import Span

SPAN = Span("s", 1000.0, 2000.0, 10.0)


def ulid(number: int) -> str:
    return f"01{number:024}"


class Snapshotting:
    """A Prometheus that writes blocks of given times (seconds), as it would for a snapshot."""

    def __init__(self, data: Path, *times: tuple[float, float]) -> None:
        self.data = data
        self.times = times

    def __call__(self) -> str:
        for number, (start, end) in enumerate(self.times):
            block = self.data / "snapshots" / "one" / ulid(number)
            (block / "chunks").mkdir(parents=True)
            (block / "chunks" / "000001").write_bytes(b"c")
            meta = {"minTime": round(start * 1000), "maxTime": round(end * 1000)}
            (block / "meta.json").write_text(json.dumps(meta))
        return "one"


def kept(data: Path, *times: tuple[float, float]) -> list[int]:
    """Return which of the blocks are kept, by number."""
    with blocks_of(SPAN, Snapshotting(data, *times), data) as blocks:
        assert all(file.is_file() for file in blocks.files.values())
        assert bool(blocks.warnings) != bool(blocks.files)
        numbers = sorted({int(Path(path).parts[1][2:]) for path in blocks.files})
        assert len(blocks.files) == 2 * len(numbers)
    assert not (data / "snapshots").exists()
    return numbers


def test_blocks_outside_of_the_windows_time_are_left_out(tmp_path: Path) -> None:
    times = [(0.0, 969.0), (900.0, 1000.0), (1200.0, 1500.0), (1999.0, 3000.0), (2001.0, 4000.0)]
    assert kept(tmp_path, *times) == [1, 2, 3]


def test_a_block_that_ends_just_before_the_window_is_one_that_its_queries_read(tmp_path: Path) -> None:
    assert kept(tmp_path, (0.0, 975.0)) == [0]


def test_a_window_without_any_block_says_so(tmp_path: Path) -> None:
    assert kept(tmp_path, (3000.0, 4000.0)) == []


@pytest.mark.parametrize("meta", [b"", b"{}"])
def test_a_block_that_cannot_be_read_costs_the_blocks_alone(tmp_path: Path, meta: bytes) -> None:
    asked = Snapshotting(tmp_path, (1000.0, 2000.0))

    def ask() -> str:
        name = asked()
        (tmp_path / "snapshots" / name / ulid(0) / "meta.json").write_bytes(meta)
        return name

    with blocks_of(SPAN, ask, tmp_path) as blocks:
        assert not blocks.files
        assert blocks.warnings[0].startswith("blocks of Prometheus's data were not kept: ")


def test_a_prometheus_that_dies_over_it_costs_the_blocks_alone(tmp_path: Path) -> None:
    def ask() -> str:
        Snapshotting(tmp_path, (1000.0, 2000.0))()
        raise PrometheusUnavailableError("it cannot be reached")

    with blocks_of(SPAN, ask, tmp_path) as blocks:
        assert blocks.warnings == ("blocks of Prometheus's data were not kept: it cannot be reached",)
    assert not (tmp_path / "snapshots").exists()


def test_what_goes_wrong_with_them_afterwards_is_not_hidden_and_leaves_nothing(tmp_path: Path) -> None:
    asked = Snapshotting(tmp_path, (1000.0, 2000.0))
    with pytest.raises(OSError, match="of whoever copies"), blocks_of(SPAN, asked, tmp_path):
        raise OSError("of whoever copies")
    assert not (tmp_path / "snapshots").exists()
