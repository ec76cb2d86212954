"""What the demo's service counts: for Prometheus to scrape, and exactly, to check it against."""

from __future__ import annotations

import threading
from collections import deque

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from monitord.demo.workload import Request, Truth, truth
from monitord.system.clock import Clock

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds
CODES = (200, 404)
KEPT_REQUESTS = 500_000


class Journal:
    """Every answered request, once in the metrics and once by itself."""

    def __init__(self, clock: Clock) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self._registry = CollectorRegistry()
        self._total = Counter(
            "http_requests_total",
            "Requests answered.",
            ["method", "code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "http_server_request_duration_seconds",
            "Time from a request's arrival to its answer.",
            buckets=BUCKETS,
            registry=self._registry,
        )
        for code in CODES:
            # A series that is born with its first request loses that request to every rate().
            self._total.labels("GET", str(code))

    def record(self, seconds: float, code: int) -> None:
        """Count a GET that is being answered now."""
        with self._lock:
            self._requests.append(Request(self._clock.now(), seconds, code))
            self._total.labels("GET", str(code)).inc()
            self._seconds.observe(seconds)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus's text format, all of one moment."""
        with self._lock:
            return generate_latest(self._registry)

    def truth(self, start: float, end: float) -> Truth:
        """Return what finished between two times in Unix seconds.

        Raises ValueError for a window that is not over, or older than what is kept.
        """
        if end > self._clock.now():
            raise ValueError("the window is not over yet")
        with self._lock:
            requests = list(self._requests)
        if len(requests) == KEPT_REQUESTS and start < requests[0].finished:
            raise ValueError(f"only the last {KEPT_REQUESTS} requests are kept")
        return truth(requests, start, end)
