"""Whose server it is that a connection leads to, before anything is sent."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api import peer_uid
from monitord.prometheus.api.client import PrometheusClient, connect
from monitord.prometheus.api.peer_uid import accepted_by, is_within_machine
from tests.conftest import wait_until
from tests.fakes.impostor import FORGED, NOBODY, impostor

AUTH = ("monitord", "hunter2")


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class V6(HTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def serving(server: HTTPServer) -> Iterator[int]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("kind", "host", "asked"),
    [
        (HTTPServer, "127.0.0.1", "127.0.0.1"),
        (HTTPServer, "0.0.0.0", "127.0.0.2"),
        (HTTPServer, "127.0.0.1", "localhost"),
        (V6, "::1", "[::1]"),
        (V6, "::", "[::1]"),
        (V6, "::", "127.0.0.1"),  # as Prometheus listens on all addresses
        (V6, "::", "[::ffff:127.0.0.1]"),
    ],
)
def test_our_own_server_is_known_on_every_address(kind: type[HTTPServer], host: str, asked: str) -> None:
    if kind is V6 and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with serving(kind((host, 0), Answering)) as port:
        for owner, is_ready in ((os.geteuid(), True), (NOBODY, False)):
            with PrometheusClient(f"http://{asked}:{port}", AUTH, owner=owner) as client:
                assert client.ready() is is_ready


def test_nobody_has_accepted_a_connection_that_waits_in_the_queue() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert accepted_by(client) is None
        with closing(server.accept()[0]):
            assert accepted_by(client) == os.geteuid()


def test_a_server_that_accepts_nothing_is_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = PrometheusClient(f"http://127.0.0.1:{port}", AUTH, timeout=0.3)
        with client, pytest.raises(PrometheusUnavailableError, match="did not answer within"):
            client.query("1")
        connection, _ = server.accept()
        with connection:
            assert connection.recv(100) == b""


def test_a_server_that_goes_away_before_it_accepts_is_not_waited_for() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    failed = threading.Event()

    def ask() -> None:
        client = PrometheusClient(f"http://127.0.0.1:{port}", AUTH, timeout=600.0)
        with client, pytest.raises(PrometheusError):
            client.reload()  # asked once
        failed.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    listed = Path("/proc/self/net/tcp")
    wait_until(lambda: f":{port:04X} 0100007F:" in listed.read_text(), "the connection")
    server.close()
    assert failed.wait(20.0)
    thread.join()


def test_an_impostor_is_sent_nothing_and_believed_nothing(tmp_path: Path) -> None:
    with impostor(tmp_path) as other:
        url = f"http://127.0.0.1:{other.port}"
        for client in (
            PrometheusClient(url, AUTH),
            PrometheusClient(url, owner=os.geteuid()),
            connect(PrometheusClient(url, owner=os.geteuid()).connection_info),
        ):
            with (
                client,
                pytest.raises(
                    PrometheusUnavailableError,
                    match=f"uid {NOBODY}, not to uid {os.geteuid()}: nothing was sent",
                ),
            ):
                client.query("1")
            assert not client.ready()
        assert other.received == b""
        # The control: that is what it would get, and be believed.
        with PrometheusClient(url, AUTH, owner=NOBODY) as client:
            assert client.query("1").series[0].value == FORGED
        with PrometheusClient(url) as client:
            assert client.query("1").series[0].value == FORGED
        assert other.received.count(b"Authorization: Basic") == 1


def test_a_server_that_has_ended_is_not_asked_again() -> None:
    ended = False
    with (
        serving(HTTPServer(("127.0.0.1", 0), Answering)) as port,
        PrometheusClient(f"http://127.0.0.1:{port}", AUTH, has_ended=lambda: ended) as client,
    ):
        assert client.ready()
        ended = True
        assert not client.ready()
        with pytest.raises(PrometheusUnavailableError, match=r"that served .* has ended"):
            client.query("1")


def test_where_the_kernel_does_not_say_the_server_is_taken_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(peer_uid, "_TABLES", (tmp_path / "tcp", tmp_path / "tcp6"))
    with (
        serving(HTTPServer(("127.0.0.1", 0), Answering)) as port,
        PrometheusClient(f"http://127.0.0.1:{port}", AUTH) as client,
    ):
        assert client.ready()


class Ends(socket.socket):
    """A connection between two addresses, which need not be there."""

    def __init__(self, server: str, client: str) -> None:
        super().__init__()
        self._server, self._client = server, client

    def getpeername(self) -> tuple[str, int]:
        return (self._server, 9090)

    def getsockname(self) -> tuple[str, int]:
        return (self._client, 40000)


@pytest.mark.parametrize(
    ("server", "client", "within"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("::1", "::1", True),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("fe80::1%eth0", "fe80::2%eth0", False),
    ],
)
def test_what_is_within_this_machine(server: str, client: str, within: bool) -> None:
    with Ends(server, client) as ends:
        assert is_within_machine(ends) is within
