"""The clock of a file system against our own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import get_ident

import pytest

from monitord.daemon.skew import Skew, measure_skew
from monitord.system.clock import SystemClock


@dataclass
class ShiftedClock(SystemClock):
    """This machine's clock, some seconds behind."""

    behind: float

    def now(self) -> float:
        return super().now() - self.behind


@pytest.mark.parametrize("behind", [0.0, 30.0, -3600.0])
def test_a_shifted_clock_shows(tmp_path: Path, behind: float) -> None:
    skew = measure_skew(tmp_path, ShiftedClock(behind))
    assert skew is not None
    # Kernels date files by the tick, up to 10 ms ago.
    assert skew.seconds == pytest.approx(behind, abs=skew.uncertainty + 0.02)
    assert skew.is_notable is (behind != 0)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f".tmp-clock-{get_ident()}").symlink_to(victim)
    assert measure_skew(tmp_path, SystemClock()) is not None
    assert victim.read_bytes() == b"precious"


def test_where_nothing_can_be_written_it_is_unknown(tmp_path: Path) -> None:
    assert measure_skew(tmp_path / "none", SystemClock()) is None


def test_what_may_be_the_slowness_of_the_disk_is_not_notable() -> None:
    assert not Skew(1.5, 0.6).is_notable
    assert Skew(-1.5, 0.4).is_notable
