"""The difference between the clock that dates files and this machine's clock.

The times of markers are their modification times, which the file system's server or the client's node sets;
scrapes are dated by this machine's clock. A file that is written now shows the difference.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from monitord.system.atomic import open_new, temporary_beside
from monitord.system.clock import Clock

NOTABLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Skew:
    """How far files are dated ahead of this machine's clock, plus or minus `uncertainty`. In seconds."""

    seconds: float
    uncertainty: float

    @property
    def is_notable(self) -> bool:
        """Whether it is certainly more than NOTABLE_SECONDS."""
        return abs(self.seconds) - self.uncertainty > NOTABLE_SECONDS


def measure_skew(folder: Path, clock: Clock) -> Skew | None:
    """Create a file in a folder and compare its time; None where no file can be written now."""
    probe = temporary_beside(folder / "clock")
    try:
        before = clock.now()
        os.close(open_new(probe))
        dated = probe.stat().st_mtime_ns / 1e9
        after = clock.now()
    except OSError:
        return None
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return Skew(round(dated - (before + after) / 2, 6), round((after - before) / 2, 6))
