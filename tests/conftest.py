"""What all tests share: waiting with a deadline, real Prometheuses, an exporter that does as told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from hypothesis import settings

from monitord.prometheus.api.version import Build
from tests.fakes.exporter import FakeExporter
from tests.slurm_cluster import NoSlurmError, SlurmCluster
from tests.versions import VERSIONS, build_of

T = TypeVar("T")

settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure() -> None:
    """Have programs under test start with default signals, also where the tests run under nohup or with `&`.

    A shell can never trap a signal that was ignored when it started. A handler is not inherited, and the
    signal ends the tests as little as before.
    """
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def wait_until(condition: Callable[[], T | None], what: str = "the condition", seconds: float = 20.0) -> T:
    """Poll until a condition is true; return its value, or fail naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.02)
    return value


@pytest.fixture(scope="session", autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have what daemons put into the machine's scratch go away with the tests."""
    os.environ["TMPDIR"] = str(tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="session", params=VERSIONS)
def each_build(request: pytest.FixtureRequest) -> Build:
    """Every real version of Prometheus in turn."""
    return build_of(request.param)


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """A real Slurm of two nodes; where there can be none the test is skipped, and says why."""
    try:
        running = SlurmCluster()
    except NoSlurmError as error:
        pytest.skip(str(error))
    yield running
    running.close()


@pytest.fixture
def exporter() -> Iterator[FakeExporter]:
    """A scriptable exporter on a free port of 127.0.0.1."""
    with FakeExporter() as running:
        yield running
