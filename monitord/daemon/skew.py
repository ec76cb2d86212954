"""How far the clock that dates files is from this machine's.

Markers count by their modification times, which the file system's server or the client's node set, and
scrapes by this machine's clock. A file of our own, written now, shows the difference.
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
    """By how much files are dated ahead of this machine's clock; the truth is within `uncertainty`.

    Both in seconds.
    """

    seconds: float
    uncertainty: float

    @property
    def is_notable(self) -> bool:
        """Whether it is more than a second beyond all doubt."""
        return abs(self.seconds) - self.uncertainty > NOTABLE_SECONDS


def measure_skew(folder: Path, clock: Clock) -> Skew | None:
    """Date a file in a folder and compare; None where none can be written now."""
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
