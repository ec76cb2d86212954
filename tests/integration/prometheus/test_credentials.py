"""Targets that ask for credentials, from the files that name them to the scrapes of a real Prometheus.

One session's target files go through the reconciler; Prometheus runs on what comes of them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.typing import FilteringBoundLogger

from monitord.daemon.addresses import AddressCheck
from monitord.daemon.credential_check import AccessCheck
from monitord.daemon.reading import TargetReader
from monitord.daemon.targets import TargetReconciler
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build
from monitord.prometheus.config.auth import hash_password, new_credentials, render_web_config
from monitord.prometheus.config.programs import find_promtool, install_config
from monitord.prometheus.config.render_config import render_config
from monitord.prometheus.config.run_folder import RunFolder
from monitord.prometheus.data.data_location import Location
from monitord.session.folder import Session
from monitord.session.held import HeldSession
from monitord.session.settings import LimitSettings, check_settings
from monitord.system.clock import SystemClock
from monitord.targets.admission import rules_of
from monitord.targets.host_lookup import HostLookup
from monitord.targets.resolve import Place
from monitord.targets.scrape_health import read_healths
from tests.conftest import wait_until
from tests.fakes.guard import held_session
from tests.fakes.guarded_exporter import Certificates, guarded_exporter
from tests.fakes.log import Entries, recording_log
from tests.integration.prometheus.conftest import Server

pytestmark = pytest.mark.real

PASSWORD, TOKEN = "hunter2-of-bench", "token-of-bench-77"
BASIC = f"Basic {base64.b64encode(f'bench:{PASSWORD}'.encode()).decode()}"
SETTINGS = check_settings(b"watch: {poll_interval: 1ms}\n")

TARGETS = """\
services:
  - {{name: basic, endpoint: "http://{basic}/", basic_auth: {{username: bench, password_file: {0}/password}}}}
  - {{name: bearer, endpoint: "http://{bearer}/", bearer_token_file: {0}/token}}
  - name: mutual
    endpoint: https://{mutual}/
    bearer_token_file: {0}/token
    tls: {{ca_file: {0}/ca.pem, cert_file: {0}/client.pem, key_file: {0}/client.key, server_name: mel0042}}
  - {{name: trusting, endpoint: "https://{mutual}/x", tls: {{insecure_skip_verify: true}}}}
  - {{name: nobody, endpoint: "http://{basic}/x"}}
  - {{name: open, endpoint: "http://{open}/"}}
"""


@dataclass(frozen=True)
class World:
    """A session with targets in force and a Prometheus that scrapes them; where its secrets are."""

    session: HeldSession
    targets: TargetReconciler
    client: PrometheusClient
    secrets: Path
    logged: Entries

    def health(self, job: str, seen: tuple[str, ...] = ("up", "down")) -> dict[str, Any]:
        """Return the target of a job once its health is one of these."""

        def find() -> list[dict[str, Any]]:
            found = [target for target in self.client.targets() if target["labels"]["job"] == job]
            return [target for target in found if target["health"] in seen]

        return wait_until(find, f"{job} to be {' or '.join(seen)}")[0]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    Certificates(folder).make("mel0042")
    for name, content in (("password", PASSWORD), ("token", TOKEN)):
        (folder / name).write_text(content)
    for name in ("password", "token", "client.key"):
        (folder / name).chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def world(build: Build, secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    session = held_session(tmp_path_factory.mktemp("root"))
    session.create(b"session: s\n")
    bearer, context = f"Bearer {TOKEN}", Certificates(secrets).server_context()
    with ExitStack() as stack:
        exporters = {
            "basic": stack.enter_context(guarded_exporter(BASIC)),
            "bearer": stack.enter_context(guarded_exporter(bearer)),
            "mutual": stack.enter_context(guarded_exporter(bearer, context)),
            "open": stack.enter_context(guarded_exporter(None)),
        }
        (session.targets / "c1.yaml").write_text(TARGETS.format(secrets, **exporters))
        log, entries = recording_log()
        targets = reconciled(session, log)
        own = new_credentials(session.password_file)
        session.web_config.write_bytes(render_web_config(hash_password(own.password), None))
        server = Server(session.prometheus, build, own)
        file_sd = run_folder(session).file_sd
        config = render_config(file_sd, 0.2, LimitSettings(), build.version, targets.credentials)
        install_config(session.prometheus_config, config, find_promtool(build))
        process = server.start(log="../logs/prometheus.log")
        stack.callback(process.wait, 10.0)
        stack.callback(process.kill)
        client = stack.enter_context(server.client(wait_until(process.listening_url, "Prometheus to listen")))
        yield World(session, targets, client, secrets, entries)


def run_folder(session: Session) -> RunFolder:
    return RunFolder(Location(session.run_folder, "a test"))


def reconciled(session: HeldSession, log: FilteringBoundLogger) -> TargetReconciler:
    """Return a reconciler that has put the session's target files in force."""
    clock = SystemClock()
    addresses = AddressCheck(rules_of(SETTINGS.targets), HostLookup(clock))
    targets = TargetReconciler(
        session, TargetReader(session.name, Place("h"), addresses, AccessCheck()), SETTINGS, clock, log,
        lambda _: frozenset(), wake=lambda _: None, run_folder=run_folder(session),
    )  # fmt: skip

    def in_force() -> bool:
        targets.reconcile()
        return bool(targets.registry.in_force())

    wait_until(in_force, "the file to be accepted")
    return targets


@pytest.mark.parametrize("job", ["basic", "bearer", "mutual", "open"])
def test_whoever_has_the_credentials_is_let_in(world: World, job: str) -> None:
    assert (world.health(job)["lastError"], world.health(job)["health"]) == ("", "up")


@pytest.mark.parametrize("job", ["nobody", "trusting"])
def test_whoever_has_none_is_not(world: World, job: str) -> None:
    target = world.health(job)
    assert target["health"] == "down"
    assert target["lastError"]


def test_series_carry_the_same_labels_with_credentials_as_without(world: World) -> None:
    wait_until(lambda: len(world.client.query("guarded").series) == 4, "all series")
    names = {"__name__", "job", "service", "instance", "session", "client", "node"}
    for one in world.client.query("guarded").series:
        assert set(one.labels) == names
        assert one.labels["job"] == one.labels["service"]


def test_a_secret_that_is_gone_fails_its_targets_alone_and_is_found_again(world: World, build: Build) -> None:
    world.health("basic", ("up",))
    password = world.secrets / "password"
    aside = password.rename(world.secrets / "aside")
    try:
        if build.version >= (3, 0, 0):  # it sends what it read first, which is why its jobs have stamps
            before = world.health("basic")["lastScrape"]
            wait_until(lambda: world.health("basic")["lastScrape"] > before, "another scrape")
            assert world.health("basic")["health"] == "up"
        else:
            assert f"{password}: no such file" in world.health("basic", ("down",))["lastError"]
        assert world.health("bearer")["health"] == "up"
    finally:
        aside.rename(password)
    assert world.health("basic", ("up",))["lastError"] == ""


def test_no_secret_is_anywhere_in_the_session(world: World) -> None:
    for job in ("basic", "bearer", "mutual", "nobody"):
        world.health(job)
    world.targets.set_healths(read_healths(world.client.targets_json()))
    while world.targets.publish_statuses():
        pass
    key = (world.secrets / "client.key").read_text().splitlines()[1]
    needles = [needle.encode() for needle in (PASSWORD, TOKEN, BASIC.removeprefix("Basic "), key)]
    looked_at = set()
    for path in world.session.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            looked_at.add(path.name)
            assert not [needle for needle in needles if needle in content], path
    assert {"prometheus.yml", "c1.yaml.json", "prometheus.log"} <= looked_at
    assert world.logged
    assert not [needle for needle in needles if needle.decode() in repr(world.logged)]
    assert str(world.secrets).encode() in world.session.prometheus_config.read_bytes()
