"""Who is let in: nobody without the session's password, on whatever path."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest

from monitord.prometheus.api.version import Build
from tests.conftest import wait_until
from tests.integration.prometheus.conftest import Server, prepared_server

pytestmark = pytest.mark.real

PATHS = (
    "/", "/-/healthy", "/-/ready", "/-/reload", "/-/quit", "/metrics", "/federate?match[]=up", "/graph",
    "/classic/targets", "/config", "/version", "/debug/pprof/", "/debug/pprof/heap", "/static/",
    "/api/v1/query?query=up", "/api/v1/targets", "/api/v1/status/config", "/api/v1/status/walreplay",
    "/api/v1/write", "/api/v1/read", "/api/v1/admin/tsdb/snapshot", "/api/v1/admin/tsdb/delete_series",
    "/no/such/path", "//metrics", "/../metrics",
)  # fmt: skip


@pytest.fixture(scope="module")
def serving(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    with prepared_server(tmp_path_factory.mktemp("admission"), build) as server:
        process = server.start()
        url = wait_until(process.listening_url, "Prometheus to listen")
        with server.client(url) as client:
            wait_until(client.ready, "Prometheus to be ready")
        yield server, url


def status(url: str, method: str, credentials: str | None) -> int:
    basic = {} if credentials is None else {
        "Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"
    }  # fmt: skip
    request = urllib.request.Request(url, headers=basic, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_wrong_and_missing_passwords_are_refused(serving: tuple[Server, str], path: str, method: str) -> None:
    server, url = serving
    right = server.credentials.password
    for wrong in (None, "monitord:", "monitord:wrong", f"other:{right}", f"monitord:{right}x", f":{right}"):
        assert status(f"{url}{path}", method, wrong) == 401


def test_the_right_one_is_let_in(serving: tuple[Server, str]) -> None:
    server, url = serving
    assert status(f"{url}/-/ready", "GET", f"monitord:{server.credentials.password}") == 200


@pytest.mark.parametrize("path", ["/-/reload", "/-/quit", "/api/v1/admin/tsdb/snapshot"])
def test_what_is_switched_off_stays_so_for_the_right_one(serving: tuple[Server, str], path: str) -> None:
    server, url = serving
    assert status(f"{url}{path}", "POST", f"monitord:{server.credentials.password}") >= 400
    assert status(f"{url}/-/ready", "GET", f"monitord:{server.credentials.password}") == 200
