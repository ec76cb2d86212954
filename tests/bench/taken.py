"""What it takes to read a window, told by the process that read it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Taken:
    """Time, samples read, and the most memory that the process and its own ever had, together."""

    seconds: float
    samples: int
    peak_mb: float


def tell(seconds: float, samples: int, pids: Sequence[int] = (os.getpid(),)) -> None:
    """Print what these processes took, this one unless given."""
    peaks = (
        # Not ru_maxrss: what a process was before it became this one counts there, too.
        int(re.findall(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0])
        for pid in pids
    )
    print(json.dumps(asdict(Taken(seconds, samples, sum(peaks) * 1024 / 1e6))))


def run(command: Sequence[str]) -> Taken:
    """Run a process that tells what it took; raises CalledProcessError when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Taken(**json.loads(done.stdout))
