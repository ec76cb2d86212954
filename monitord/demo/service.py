"""The demo's service: real HTTP, real metrics, under a load whose exact counts it knows.

    python -P -m monitord.demo.service --rate 50 --seed 1

prints one JSON line with its URLs when it listens, and ends on SIGTERM or SIGINT. `/work` takes a
time drawn from a known distribution, `/metrics` is for Prometheus, and `/truth?from=T&to=T` returns
what really happened in a window.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from monitord.demo.journal import Journal
from monitord.demo.load import OpenLoop
from monitord.demo.workload import service_times
from monitord.system.clock import Clock, SystemClock
from monitord.system.timestamps import from_iso

_JSON = "application/json"


class DemoService(ThreadingHTTPServer):
    """The HTTP service on 127.0.0.1; `server_port` says where."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, seed: int, port: int = 0, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.journal = Journal(self.clock)
        self.stopped = threading.Event()
        self._times = service_times(seed)
        self._times_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_service_time(self) -> float:
        """Return the seconds that the next request takes."""
        with self._times_lock:
            return next(self._times)


class _Answer(BaseHTTPRequestHandler):
    server: DemoService
    protocol_version = "HTTP/1.1"
    # An answer in one packet, at once: or Nagle's algorithm adds 40 ms to some of them.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        match url.path:
            case "/work":
                self._work()
            case "/metrics":
                exposition = self.server.journal.exposition()
                self._respond(200, exposition, CONTENT_TYPE_PLAIN_0_0_4)
            case "/truth":
                self._answer_truth(parse_qs(url.query))
            case _:
                self.server.journal.record(0.0, 404)
                self._respond_json(404, {"error": "there are /work, /metrics and /truth"})

    def _work(self) -> None:
        arrived = self.server.clock.monotonic()
        self.server.stopped.wait(self.server.next_service_time())
        self.server.journal.record(self.server.clock.monotonic() - arrived, 200)
        self._respond_json(200, {})

    def _answer_truth(self, query: dict[str, list[str]]) -> None:
        try:
            start, end = from_iso(query["from"][0]), from_iso(query["to"][0])
            self._respond_json(200, self.server.journal.truth(start, end))
        except KeyError as error:
            self._respond_json(400, {"error": f"{error} is missing: /truth?from=T&to=T"})
        except ValueError as error:
            self._respond_json(400, {"error": str(error)})

    def _respond_json(self, status: int, value: Any) -> None:
        self._respond(status, json.dumps(value).encode() + b"\n", _JSON)

    def _respond(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name
        """Write no line per request."""


@contextmanager
def serve(rate: float, seed: int, port: int = 0) -> Iterator[DemoService]:
    """Run the service under `rate` requests per second; on leaving, all of it has ended."""
    with DemoService(seed, port) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.05,))
        load = OpenLoop(service.server_port, "/work", rate)
        thread.start()
        load.start()
        try:
            yield service
        finally:
            service.stopped.set()
            load.stop()
            service.shutdown()
            thread.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(prog="monitord.demo.service", description=__doc__)
    parser.add_argument("--rate", type=_rate, default=50.0, help="requests per second (50)")
    parser.add_argument("--seed", type=int, default=1, help="of the service times (1)")
    parser.add_argument("--port", type=int, default=0, help="0: a free one (0)")
    given = parser.parse_args(arguments)
    # Blocked in every thread and waited for: a handler that sets an Event is lost when the signal
    # comes just before the main thread blocks, or to another thread.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with serve(given.rate, given.seed, given.port) as service:
        ready = {"url": service.url, "rate": given.rate, "seed": given.seed}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        signal.sigwait(signals)
    return 0


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 5000:
        raise argparse.ArgumentTypeError("must be more than 0 and at most 5000 per second")
    return rate


if __name__ == "__main__":
    raise SystemExit(main())
