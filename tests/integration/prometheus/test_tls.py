"""The real binary over TLS, started with the run folder's files."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from monitord.errors import PrometheusError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build
from monitord.prometheus.child.command import ServerOptions, command_line
from monitord.prometheus.child.logfmt import parse_line
from monitord.prometheus.child.process import PrometheusProcess
from monitord.prometheus.config.auth import TlsFiles
from monitord.prometheus.config.certificate import prepare_certificate
from monitord.prometheus.config.run_folder import RunFolder
from monitord.prometheus.config.web_access import Access, check_web_config, prepare_access, read_pair
from monitord.prometheus.data.data_folders import make_run_folder
from monitord.session.folder import Session
from monitord.session.settings import PrometheusSettings, TlsSettings
from monitord.system.logs import LogFile
from tests.conftest import wait_until

pytestmark = pytest.mark.real


@dataclass
class Served:
    """A Prometheus that serves https, as a session's daemon would run it."""

    session: Session
    access: Access
    run: RunFolder
    process: PrometheusProcess

    @property
    def url(self) -> str:
        return wait_until(self.process.listening_url, "Prometheus to listen")

    def client(self, certificate: Path | None = None, password: str | None = None) -> PrometheusClient:
        known = self.access.credentials
        auth = (known.user, password or known.password) if known else None
        return PrometheusClient(self.url, auth, 2.0, certificate=certificate or self.run.folder / "tls.crt")


def serve(build: Build, folder: Path, settings: PrometheusSettings) -> Served:
    session = Session(folder / "root", "bench01")
    session.create(b"")
    session.prometheus_config.write_text("global: {}\n")
    (folder / "local").mkdir(mode=0o700)
    access = prepare_access(session, settings, time.time())
    run = RunFolder(make_run_folder(session, {"SLURM_TMPDIR": str(folder / "local")}).location)
    run.refresh(access.run_files())
    options = ServerOptions(
        session.prometheus_config, session.data, f"{settings.host}:0", 86400.0,
        web_config=run.folder / "web.yml",
    )  # fmt: skip
    argv = command_line(build, options)
    return Served(
        session,
        access,
        run,
        PrometheusProcess.start(argv, LogFile(session.prometheus_log, 0o600, max_bytes=2**24, kept=4).write),
    )


@pytest.fixture(scope="module")
def served(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = PrometheusSettings(tls=TlsSettings(enabled=True))
    running = serve(build, tmp_path_factory.mktemp("tls"), settings)
    with running.client() as client:
        wait_until(client.ready, "Prometheus to be ready")
    yield running
    running.process.stop(10.0)


def test_it_answers_who_knows_its_certificate_and_password(served: Served) -> None:
    with served.client() as client:
        assert client.query("vector(1)").series[0].value == 1.0
    with served.client(served.session.certificate) as client:
        assert client.ready()
    with served.client(password="wrong") as client, pytest.raises(PrometheusError, match="HTTP 401"):
        client.query("vector(1)")


def test_the_log_says_that_it_serves_tls(served: Served) -> None:
    address = urlsplit(served.url).netloc
    lines = map(parse_line, served.session.prometheus_log.read_text().splitlines())
    assert {line.get("address"): line["msg"] for line in lines if "http2" in line} == {
        address: "TLS is enabled."
    }


def test_another_certificate_is_not_trusted_and_the_password_not_sent(served: Served, tmp_path: Path) -> None:
    prepare_certificate(tmp_path / "tls.crt", tmp_path / "tls.key", ("127.0.0.1",), time.time())
    with served.client(tmp_path / "tls.crt") as client:
        assert not client.ready()
        with pytest.raises(PrometheusError, match=f"another certificate than the one in {tmp_path}"):
            client.query("vector(1)")
    with (
        PrometheusClient(served.url, timeout=2.0) as client,
        pytest.raises(PrometheusError, match=r"not trusted here: .*self-signed"),
    ):
        client.query("vector(1)")


def test_plain_http_and_old_tls_are_refused(served: Served) -> None:
    with (
        PrometheusClient(served.url.replace("https:", "http:"), timeout=2.0) as client,
        pytest.raises(PrometheusError, match="HTTP 400"),
    ):
        client.query("vector(1)")
    host, _, port = urlsplit(served.url).netloc.rpartition(":")
    context = ssl.create_default_context(cafile=str(served.session.certificate))
    with (
        socket.create_connection((host, int(port))) as raw,
        context.wrap_socket(raw, server_hostname=host) as secured,
    ):
        assert secured.version() == "TLSv1.3"  # also: others verify it by chain and name


def test_promtool_accepts_the_files_and_refuses_a_wrong_pair(
    served: Served, promtool: Path, tmp_path: Path
) -> None:
    assert check_web_config(promtool, served.run.folder / "web.yml")
    copy = tmp_path / "copy"
    shutil.copytree(served.run.folder, copy)
    (copy / "tls.key").unlink()
    with pytest.raises(PrometheusError, match="promtool refused"):
        check_web_config(promtool, copy / "web.yml")


def test_a_shared_folder_that_goes_away_is_not_felt(served: Served) -> None:
    away = served.session.prometheus.with_name("away")
    served.session.prometheus.rename(away)
    try:
        with served.client() as client:
            assert client.ready()
            assert client.query("vector(1)").series[0].value == 1.0
    finally:
        away.rename(served.session.prometheus)


def test_a_run_folder_that_was_emptied_is_made_good(served: Served) -> None:
    certificate = served.session.certificate
    served.run.remove()
    with served.client(certificate) as client:
        assert not client.ready()
        served.run.refresh(served.access.run_files())
        wait_until(client.ready, "Prometheus to be ready")


def test_tls_without_a_password(build: Build, tmp_path: Path) -> None:
    running = serve(build, tmp_path, PrometheusSettings(auth=False, tls=TlsSettings(enabled=True)))
    try:
        with running.client() as client:
            wait_until(client.ready, "Prometheus to be ready")
            assert client.query("vector(1)").series[0].value == 1.0
    finally:
        running.process.stop(10.0)


def test_a_certificate_for_another_name_is_trusted_by_itself_and_renewed_without_a_restart(
    build: Build, tmp_path: Path
) -> None:
    cert, key = tmp_path / "own.pem", tmp_path / "own.key"
    prepare_certificate(cert, key, ("gateway.cluster",), time.time())
    tls = TlsSettings(enabled=True, cert_file=str(cert), key_file=str(key))
    running = serve(build, tmp_path, PrometheusSettings(tls=tls))
    try:
        with running.client(cert) as client:
            wait_until(client.ready, "Prometheus to be ready")
        cert.unlink()
        prepare_certificate(cert, key, ("gateway.cluster",), time.time())
        renewed = replace(running.access, pair=read_pair(TlsFiles(cert, key)))
        running.run.refresh(renewed.run_files())
        with running.client(cert) as client:
            assert client.ready()
    finally:
        running.process.stop(10.0)
