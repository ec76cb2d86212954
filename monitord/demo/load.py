"""An open-loop load generator: requests leave at a constant rate, however slow the answers are."""

from __future__ import annotations

import http.client
import itertools
import threading
import time

from monitord.demo.workload import send_time, workers_for

_TIMEOUT_SECONDS = 10.0


class OpenLoop:
    """Sends GET `path` to 127.0.0.1 at `rate` per second over kept-alive connections."""

    def __init__(self, port: int, path: str, rate: float) -> None:
        self._port = port
        self._path = path
        self._rate = rate
        self._numbers = itertools.count()  # next() on it is atomic
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(workers_for(rate))]
        self._start = 0.0

    def start(self) -> None:
        """Send the first request now, and the others when they are due."""
        self._start = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no more; return when every answer under way has come or failed."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)
        for number in self._numbers:
            due = send_time(self._start, self._rate, number)
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                break
            try:
                connection.request("GET", self._path)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()  # the next request opens a new one
        connection.close()
