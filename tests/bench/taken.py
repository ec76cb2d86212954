"""What it takes to read a window, told by the process that read it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Taken:
    """Time, samples read, and the most memory that the process ever had."""

    seconds: float
    samples: int
    peak_mb: float


def tell(seconds: float, samples: int) -> None:
    """Print what this process took."""
    # Not ru_maxrss: what a process was before it became this one counts there, too.
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps(asdict(Taken(seconds, samples, int(peak) * 1024 / 1e6))))


def run(command: Sequence[str]) -> Taken:
    """Run a process that tells what it took; raises CalledProcessError when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Taken(**json.loads(done.stdout))
