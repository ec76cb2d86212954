"""A scriptable exporter: serves what a test says, misbehaves as it says, and counts its scrapes."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

FLOOD_BYTES = 2**30
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Behaviour(Enum):
    """What the exporter does with a scrape."""

    SERVE = "serve"
    FAIL = "fail"  # 500
    HANG = "hang"  # answers nothing until `release`
    REDIRECT = "redirect"  # 302 to `location`
    GARBAGE = "garbage"  # 200, but no exposition format
    FLOOD = "flood"  # 200, and a gigabyte of it


class FakeExporter:
    """An exporter on a free port of 127.0.0.1, in threads of the test's own process."""

    def __init__(self) -> None:
        self.text = ""
        self.behaviour = Behaviour.SERVE
        self.location = "http://127.0.0.1:9/"
        self.scrapes = 0
        self.flooded_bytes = 0
        self.authorization = ""  # what a request must carry as such; empty for nothing
        self.paths: list[str] = []
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.behaviour = Behaviour.SERVE
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """What to scrape."""
        return f"http://{self.address}/metrics"

    def release(self) -> None:
        """Let every scrape that hangs now go on; the next one hangs again."""
        with self._lock:
            released, self._released = self._released, threading.Event()
        released.set()

    def expose(self, *metrics: str) -> None:
        """Serve these metrics, each the text of `counter`, `gauge` or `histogram`, from now on."""
        self.text = "".join(metrics)

    def _flood(self, request: BaseHTTPRequestHandler) -> None:
        block = b"".join(b'flood{x="%d"} 1\n' % number for number in range(5000))
        try:
            request.send_response(200)
            request.send_header("Content-Type", CONTENT_TYPE)
            request.end_headers()
            for _ in range(FLOOD_BYTES // len(block)):
                request.wfile.write(block)
                self.flooded_bytes += len(block)
        except (BrokenPipeError, ConnectionResetError):
            request.close_connection = True

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Do with one scrape what the test asked for."""
        with self._lock:
            self.scrapes += 1
            self.paths.append(request.path)
            behaviour, released = self.behaviour, self._released
        if self.authorization and request.headers.get("Authorization") != self.authorization:
            _respond(request, 401, "who are you?\n")
            return
        match behaviour:
            case Behaviour.HANG:
                released.wait()
                _respond(request, 200, self.text)
            case Behaviour.FAIL:
                _respond(request, 500, "broken\n")
            case Behaviour.REDIRECT:
                _respond(request, 302, "", {"Location": self.location})
            case Behaviour.GARBAGE:
                _respond(request, 200, "{<not metrics\x01\n")
            case Behaviour.FLOOD:
                self._flood(request)
            case Behaviour.SERVE:
                _respond(request, 200, self.text)


def counter(name: str, value: float, labels: Mapping[str, str] | None = None) -> str:
    """Return a counter in exposition format."""
    return f"# TYPE {name} counter\n{name}{_labels(labels or {})} {value!r}\n"


def gauge(name: str, value: float, labels: Mapping[str, str] | None = None) -> str:
    """Return a gauge in exposition format."""
    return f"# TYPE {name} gauge\n{name}{_labels(labels or {})} {value!r}\n"


def histogram(
    name: str,
    observations: Sequence[float],
    bounds: Sequence[float],
    labels: Mapping[str, str] | None = None,
) -> str:
    """Return a classic histogram of known observations; a bound belongs to its own bucket."""
    labels = labels or {}
    counts = [0] * (len(bounds) + 1)
    for observation in observations:
        counts[bisect_left(bounds, observation)] += 1
    lines, total = [f"# TYPE {name} histogram"], 0
    for bound, count in zip([*map(repr, map(float, bounds)), "+Inf"], counts, strict=True):
        total += count
        lines.append(f"{name}_bucket{_labels({**labels, 'le': bound})} {total}")
    lines.append(f"{name}_sum{_labels(labels)} {float(sum(observations))!r}")
    lines.append(f"{name}_count{_labels(labels)} {len(observations)}")
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def _respond(
    request: BaseHTTPRequestHandler,
    status: int,
    text: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    body = text.encode()
    try:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Type", CONTENT_TYPE)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
    except (BrokenPipeError, ConnectionResetError):
        request.close_connection = True  # the scraper gave up waiting


class _Server(ThreadingHTTPServer):
    def __init__(self, exporter: FakeExporter) -> None:
        self.exporter = exporter
        super().__init__(("127.0.0.1", 0), _Request)


class _Request(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.exporter.answer(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name
        """Say nothing: a test asks for `scrapes`."""
