"""`python -m tests.bench.by_peer URL START END FILE`: read a window as its users do today.

That is with prometheus-api-client and pandas: raw samples in one request, a frame, a CSV file. They are
installed apart from monitord's own environment, for pyarrow loads pandas wherever it is.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect

from tests.bench.taken import tell


def main(url: str, start: str, end: str, file: str) -> None:
    """Read the window and print what it took; imports are not counted."""
    first, last = (datetime.fromtimestamp(float(at), UTC) for at in (start, end))
    started = time.perf_counter()
    # Without a name the selector picks every series of the session.
    data = PrometheusConnect(url).get_metric_range_data(
        "", {"session": "past"}, start_time=first, end_time=last
    )
    frame = MetricRangeDataFrame(data)
    frame.to_csv(file)
    tell(time.perf_counter() - started, len(frame))


if __name__ == "__main__":
    main(*sys.argv[1:])
