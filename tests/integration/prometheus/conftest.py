"""Real Prometheus processes and the small exporters they scrape."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build
from monitord.prometheus.child.command import ServerOptions, command_line
from monitord.prometheus.child.process import PrometheusProcess
from monitord.prometheus.config.auth import Credentials, hash_password, new_credentials, render_web_config
from monitord.prometheus.config.programs import find_promtool, install_config
from monitord.prometheus.config.render_config import render_config
from monitord.session.settings import LimitSettings
from monitord.system.logs import LogFile


@pytest.fixture(scope="session")
def build(each_build: Build) -> Build:
    return each_build


@pytest.fixture(scope="session")
def promtool(build: Build) -> Path:
    found = find_promtool(build)
    if found is None:
        pytest.skip("no promtool beside prometheus")
    return found


@dataclass
class Server:
    """A Prometheus in a folder of its own, as the daemon would run it."""

    folder: Path
    build: Build
    credentials: Credentials
    native_histograms: bool = False
    processes: list[PrometheusProcess] = field(default_factory=list)

    @property
    def file_sd(self) -> Path:
        return self.folder / "file_sd"

    @property
    def log(self) -> Path:
        return self.folder / "prometheus.log"

    def argv(self, listen: str = "127.0.0.1:0") -> list[str]:
        options = ServerOptions(
            config=self.folder / "prometheus.yml",
            data_dir=self.folder / "data",
            listen=listen,
            retention=86400.0,
            web_config=self.folder / "web.yml",
            native_histograms=self.native_histograms,
        )
        return command_line(self.build, options)

    def start(self, listen: str = "127.0.0.1:0", log: str = "prometheus.log") -> PrometheusProcess:
        process = PrometheusProcess.start(
            self.argv(listen), LogFile(self.folder / log, 0o600, max_bytes=2**24, kept=4).write
        )
        self.processes.append(process)
        return process

    def client(self, url: str, password: str | None = None) -> PrometheusClient:
        word = self.credentials.password if password is None else password
        return PrometheusClient(url, (self.credentials.user, word))

    def scrape(self, name: str, url: str, **more: str) -> None:
        """Add a target, its job named so, by the only way there is: a file in file_sd."""
        address, _, path = url.removeprefix("http://").partition("/")
        labels = {"job": name, "__metrics_path__": f"/{path}", **more}
        group = {"targets": [address], "labels": labels}
        (self.file_sd / f"targets-{name}.json").write_text(json.dumps([group]))


@contextmanager
def prepared_server(
    folder: Path, build: Build, native_histograms: bool = False, interval: float = 0.2
) -> Iterator[Server]:
    """Prepare what a Prometheus needs in a new folder; end all that were started there.

    It scrapes every `interval` seconds.
    """
    (folder / "file_sd").mkdir(parents=True)
    credentials = new_credentials(folder / "password")
    credentials.password_file.write_text(f"{credentials.password}\n")
    (folder / "web.yml").write_bytes(render_web_config(hash_password(credentials.password), None))
    limits = LimitSettings(samples=50, body_bytes=100_000)
    config = render_config(
        folder / "file_sd", interval, limits, build.version, native_histograms=native_histograms
    )
    install_config(folder / "prometheus.yml", config, find_promtool(build))
    server = Server(folder, build, credentials, native_histograms)
    try:
        yield server
    finally:
        for process in server.processes:
            process.kill()
            process.wait(10.0)


@pytest.fixture
def server(build: Build, tmp_path: Path) -> Iterator[Server]:
    with prepared_server(tmp_path / "prometheus [1]", build) as server:  # a pattern, to Go
        yield server


Response = tuple[int, dict[str, str], str | bytes]


@contextmanager
def exporters(respond: Callable[[str, str], Response]) -> Iterator[str]:
    """Serve what a function of path and Accept header says: (status, headers, body); give the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = respond(self.path, self.headers["Accept"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode() if isinstance(body, str) else body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}"
        finally:
            http.shutdown()
            thread.join()
