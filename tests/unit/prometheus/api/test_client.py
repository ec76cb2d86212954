"""The HTTP client against a server that answers what the test says."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from monitord.errors import InvalidInputError, PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.transport import AdminApiDisabledError


@dataclass
class Request:
    """What the server was asked."""

    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]


@dataclass
class Scripted:
    """Gives its answers in turn, the last one for ever."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length).decode()
        parts = urlsplit(handler.path)
        parameters = {key: value[0] for key, value in parse_qs(body or parts.query).items()}
        headers = {key.lower(): value for key, value in handler.headers.items()}
        self.requests.append(Request(handler.command, parts.path, parameters, headers))
        self.released.wait(self.delay)
        status, content = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 0:
            handler.wfile.write(content)
            return  # hang up
        handler.send_response(status)
        for name, value in {**self.headers, "Content-Length": str(len(content))}.items():
            handler.send_header(name, value)
        with contextlib.suppress(ConnectionError):  # the client may have gone
            handler.end_headers()
            handler.wfile.write(content)


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            scripted.respond(self)

        def do_POST(self) -> None:
            scripted.respond(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        scripted.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield scripted
        scripted.released.set()
        http.shutdown()
        thread.join()


@pytest.fixture
def client(server: Scripted) -> Iterator[PrometheusClient]:
    with PrometheusClient(server.url, ("monitord", "hunter2"), timeout=2.0) as client:
        yield client


def success(data: Any, **more: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"status": "success", "data": data, **more}).encode()


def vector(*values: str) -> tuple[int, bytes]:
    result = [{"metric": {"n": str(n)}, "value": [1, value]} for n, value in enumerate(values)]
    return success({"resultType": "vector", "result": result})


def error(status: int, kind: str, words: str) -> tuple[int, bytes]:
    return status, json.dumps({"status": "error", "errorType": kind, "error": words}).encode()


def test_a_query_is_posted_at_its_time(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [vector("1", "NaN", "+Inf")]

    answer = client.query("up", 1_700_000_000.1236)

    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/api/v1/query")
    assert request.parameters == {"query": "up", "time": "1700000000.124"}
    values = [series.value for series in answer.series]
    assert values[0] == 1.0
    assert math.isnan(values[1])
    assert values[2] == math.inf


def test_without_a_time_the_server_decides(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [vector()]
    client.query("up")
    assert server.requests[0].parameters == {"query": "up"}


def test_it_names_itself_and_asks_for_no_compression_on_loopback(
    server: Scripted, client: PrometheusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.answers = [vector()]
    client.query("up")
    headers = server.requests[0].headers
    expected = base64.b64encode(b"monitord:hunter2").decode()
    assert headers["authorization"] == f"Basic {expected}"
    assert headers["accept-encoding"] == "identity"


def test_elsewhere_compression_is_welcome() -> None:
    with PrometheusClient("http://mel0042:9090") as client:
        assert "gzip" in str(client._transport.session.headers["Accept-Encoding"])


def test_a_long_range_is_asked_for_in_parts(server: Scripted, client: PrometheusClient) -> None:
    def part(*times: int) -> tuple[int, bytes]:
        values = [[time, "1"] for time in times]
        return success({"resultType": "matrix", "result": [{"metric": {}, "values": values}]})

    server.answers = [part(0, 1), part(2, 3)]

    answer = client.query_range("up", 0.0, 15_000.0, 1.0)

    asked = [(r.parameters["start"], r.parameters["end"]) for r in server.requests]
    assert asked == [("0.000", "10999.000"), ("11000.000", "15000.000")]
    assert {request.parameters["step"] for request in server.requests} == {"1000ms"}
    assert [time for time, _ in answer.series[0].samples] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(("start", "end", "step"), [(2.0, 1.0, 1.0), (0.0, 1.0, 0.0004)])
def test_an_impossible_range_asks_nothing(
    server: Scripted, client: PrometheusClient, start: float, end: float, step: float
) -> None:
    with pytest.raises(ValueError, match="range query"):
        client.query_range("up", start, end, step)
    assert server.requests == []


def test_targets_are_the_active_ones(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [success({"activeTargets": [{"health": "up"}]})]
    assert client.targets() == [{"health": "up"}]
    assert server.requests[0].parameters == {"state": "active"}


def test_build_and_flags_are_given_as_they_are(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [success({"version": "2.42.0"}), success({"log.level": "info"})]
    assert client.build_info() == {"version": "2.42.0"}
    assert client.flags() == {"log.level": "info"}
    assert [r.path for r in server.requests] == ["/api/v1/status/buildinfo", "/api/v1/status/flags"]


@pytest.mark.parametrize(("status", "is_ready"), [(200, True), (503, False), (401, False), (500, False)])
def test_ready_is_200_and_nothing_else(
    server: Scripted, client: PrometheusClient, status: int, is_ready: bool
) -> None:
    server.answers = [(status, b"x")]
    assert client.ready() is is_ready
    assert len(server.requests) == 1


def test_what_hangs_is_not_ready(server: Scripted) -> None:
    server.answers, server.delay = [(200, b"")], 10.0
    with PrometheusClient(server.url, timeout=0.1) as client:
        assert client.ready() is False


CUT_SHORT = b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n{"


@pytest.mark.parametrize("first", [(503, b"Service Unavailable"), (0, b""), (0, CUT_SHORT)])
def test_what_may_pass_is_tried_again(
    server: Scripted, client: PrometheusClient, first: tuple[int, bytes]
) -> None:
    server.answers = [first, first, vector("7")]
    assert client.query("up").series[0].value == 7.0
    assert len(server.requests) == 3


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def refused(client: PrometheusClient) -> str:
    with pytest.raises(PrometheusUnavailableError) as caught:
        client.query("up")
    return str(caught.value)


def test_a_refused_connection_is_given_up_in_time() -> None:
    with PrometheusClient(f"http://127.0.0.1:{free_port()}", timeout=0.3) as client:
        begin = time.monotonic()
        assert "Connection refused" in refused(client)
        assert not client.ready()
        assert time.monotonic() - begin < 2.0


def test_lasting_503_is_given_up_in_time(server: Scripted) -> None:
    server.answers = [(503, b"Service Unavailable")]
    with PrometheusClient(server.url, timeout=0.3) as client:
        assert "is not ready (HTTP 503)" in refused(client)
    assert len(server.requests) > 1


def test_a_late_answer_is_not_asked_for_twice(server: Scripted) -> None:
    server.answers, server.delay = [vector()], 10.0
    with PrometheusClient(server.url, timeout=0.2) as client:
        assert "did not answer within" in refused(client)
    assert len(server.requests) == 1


def test_a_query_that_took_too_long_there_is_not_repeated(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [error(503, "timeout", "query timed out in expression evaluation")]
    assert "timeout: query timed out" in refused(client)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [(400, "bad_data", "parse error: unexpected end"), (422, "execution", "many-to-many matching")],
)
def test_prometheus_own_words_are_passed_on(
    server: Scripted, client: PrometheusClient, status: int, kind: str, words: str
) -> None:
    server.answers = [error(status, kind, words)]
    with pytest.raises(PrometheusError, match=f"{kind}: {words}") as caught:
        client.query("up")
    assert not isinstance(caught.value, PrometheusUnavailableError)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("file", [None, Path("/s/prometheus/password")])
def test_a_refused_password_names_its_file_and_not_itself(
    server: Scripted, status: int, file: Path | None
) -> None:
    server.answers = [(status, b"Unauthorized hunter2")]
    with (
        PrometheusClient(server.url, ("monitord", "hunter2"), password_file=file) as client,
        pytest.raises(PrometheusError, match=str(file or "password_file")) as caught,
    ):
        client.query("up")
    assert "hunter2" not in str(caught.value)


def test_a_redirect_is_not_followed(server: Scripted, client: PrometheusClient) -> None:
    server.headers = {"Location": "/elsewhere"}
    server.answers = [(302, b"")]
    with pytest.raises(PrometheusError, match="redirects elsewhere"):
        client.query("up")
    assert [request.path for request in server.requests] == ["/api/v1/query"]


QUERIES: list[Callable[[PrometheusClient], Any]] = [
    lambda client: client.query("up"),
    lambda client: client.query_range("up", 0, 1, 1),
    lambda client: client.targets(),
    lambda client: client.flags(),
]


@pytest.mark.parametrize("ask", QUERIES)
@pytest.mark.parametrize(
    "content", [b"<html>hello", b"[]", b'"x"', b'{"status": "success"}', b'{"a": 1}', b"\xff", b""]
)
def test_anything_but_the_api_is_an_error(
    server: Scripted,
    client: PrometheusClient,
    ask: Callable[[PrometheusClient], Any],
    content: bytes,
) -> None:
    server.answers = [(200, content)]
    with pytest.raises(PrometheusError, match="Prometheus"):
        ask(client)


def test_targets_in_another_shape_are_an_error(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [success({"activeTargets": None})]
    with pytest.raises(PrometheusError, match="unexpected list of targets"):
        client.targets()


@pytest.mark.parametrize(
    "url", ["mel0042:9090", "ftp://h", "http://", "", "/x", "http://[x", "http://h:p", "http://h:0"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="write http://HOST:PORT"):
        PrometheusClient(url)


@pytest.mark.parametrize("url", ["http://monitord:hunter2@mel0042:9090", "x:hunter2@[y"])
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError, match="holds a password") as caught:
        PrometheusClient(url)
    assert "hunter2" not in str(caught.value)


def test_a_path_before_the_api_is_kept(server: Scripted) -> None:
    server.answers = [vector()]
    with PrometheusClient(f"{server.url}/prom/") as client:
        client.query("up")
    assert server.requests[0].path == "/prom/api/v1/query"


NAMED = b'{"status": "success", "data": {"name": "20260131T093000Z-0a1b"}}'


def test_a_snapshot_is_named(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [(200, NAMED)]
    assert client.snapshot() == "20260131T093000Z-0a1b"
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("POST", "/api/v1/admin/tsdb/snapshot")
    assert asked.parameters == {"skip_head": "false"}


@pytest.mark.parametrize("first", [(503, b"Service Unavailable"), (0, b""), (0, CUT_SHORT)])
def test_a_snapshot_is_asked_for_once(
    server: Scripted, client: PrometheusClient, first: tuple[int, bytes]
) -> None:
    server.answers = [first, (200, NAMED)]
    with pytest.raises(PrometheusUnavailableError):
        client.snapshot()
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_prometheus_without_the_admin_api_says_so(
    server: Scripted, client: PrometheusClient, status: int
) -> None:
    server.answers = [error(status, "unavailable", "admin APIs disabled")]
    with pytest.raises(AdminApiDisabledError, match="started without --web"):
        client.snapshot()


@pytest.mark.parametrize(
    "data", ["null", "{}", '{"name": 7}', '{"name": "../x"}', '{"name": ""}', '{"name": ".."}']
)
def test_a_name_that_is_none_is_refused(server: Scripted, client: PrometheusClient, data: str) -> None:
    server.answers = [(200, f'{{"status": "success", "data": {data}}}'.encode())]
    with pytest.raises(PrometheusError, match="returned an unexpected snapshot name"):
        client.snapshot()


def test_a_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    for content in (None, b"", b"\xff", b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"):
        if content is not None:
            (tmp_path / "tls.crt").write_bytes(content)
        with pytest.raises(InvalidInputError, match=r"tls\.crt (cannot be read as|holds no) "):
            PrometheusClient("https://127.0.0.1:9090", certificate=tmp_path / "tls.crt")


def test_series_are_asked_for_by_all_their_selectors(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [success([{"__name__": "a"}, {"__name__": "b"}])]
    assert client.series("a", "b", start=1.0, end=2.5) == [{"__name__": "a"}, {"__name__": "b"}]
    assert server.requests[0].path == "/api/v1/series"
    assert server.requests[0].parameters == {"match[]": "a", "start": "1.000", "end": "2.500"}


def test_series_in_another_shape_are_an_error(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [success({"no": "list"})]
    with pytest.raises(PrometheusError, match="did not return a list"):
        client.series("a", start=1.0, end=2.0)


def test_metadata_is_given_as_it_is(server: Scripted, client: PrometheusClient) -> None:
    server.answers = [success({"up": [{"type": "gauge", "help": "", "unit": ""}]})]
    assert client.metadata("up")["up"][0]["type"] == "gauge"
    assert server.requests[0].parameters == {"metric": "up"}


def test_a_reload_is_asked_for_once_and_its_refusal_is_told(
    server: Scripted, client: PrometheusClient
) -> None:
    server.answers = [(200, b"")]
    client.reload()
    server.answers = [(500, b"failed to reload config: yaml: line 1")]
    with pytest.raises(PrometheusError, match="did not reload: failed to reload config: yaml: line 1"):
        client.reload()
    assert [(request.method, request.path) for request in server.requests] == [("POST", "/-/reload")] * 2


def test_the_package_exports_the_client_and_loads_it_on_demand() -> None:
    program = (
        "import sys, monitord.prometheus.api as api; assert 'requests' not in sys.modules;"
        "from monitord.prometheus.api.client import PrometheusClient as it; assert api.PrometheusClient is it"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
