"""One exporter that floods, never answers or talks nonsense takes nothing from the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build
from monitord.prometheus.api.vitals import Vitals
from tests.conftest import wait_until
from tests.fakes.exporter import FLOOD_BYTES, Behaviour, FakeExporter, counter
from tests.integration.prometheus.conftest import prepared_server

pytestmark = pytest.mark.real

BAD = (Behaviour.FLOOD, Behaviour.HANG, Behaviour.GARBAGE, Behaviour.FAIL)
SCRAPES = 15


@pytest.fixture(scope="module")
def world(
    build: Build, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PrometheusClient, dict[Behaviour, FakeExporter]]]:
    """A Prometheus that scrapes an honest exporter beside one of each bad kind, for a while."""
    with ExitStack() as stack:
        every = {kind: stack.enter_context(FakeExporter()) for kind in (Behaviour.SERVE, *BAD)}
        server = stack.enter_context(prepared_server(tmp_path_factory.mktemp("bad"), build))
        for kind, exporter in every.items():
            exporter.expose(counter("http_requests_total", 7.0))
            exporter.behaviour = kind
            server.scrape(kind.value, exporter.url)
        process = server.start()
        client = stack.enter_context(server.client(wait_until(process.listening_url, "Prometheus")))
        wait_until(client.ready, "Prometheus to be ready")
        wait_until(lambda: every[Behaviour.SERVE].scrapes >= SCRAPES, "scrapes of the honest one", 40)
        yield client, every


def value(client: PrometheusClient, promql: str) -> float:
    (series,) = client.query(promql).series
    return series.value


def test_the_honest_one_missed_nothing(world: tuple[PrometheusClient, Any]) -> None:
    client, _ = world
    assert value(client, 'min_over_time(up{job="serve"}[1h])') == 1
    assert value(client, 'count_over_time(up{job="serve"}[1h])') >= SCRAPES - 1


@pytest.mark.parametrize("kind", BAD)
def test_the_bad_one_is_down_with_a_reason_and_left_nothing(
    world: tuple[PrometheusClient, Any], kind: Behaviour
) -> None:
    client, _ = world
    assert value(client, f'max_over_time(up{{job="{kind.value}"}}[1h])') == 0
    (target,) = [each for each in client.targets() if each["labels"]["job"] == kind.value]
    assert target["lastError"]
    assert not client.query(f'{{job="{kind.value}",__name__!~"up|scrape_.*"}}').series


def test_a_flood_is_not_kept_in_memory(
    world: tuple[PrometheusClient, dict[Behaviour, FakeExporter]],
) -> None:
    """Past `body_size_limit` Prometheus keeps nothing, though it reads on until the scrape times out."""
    client, every = world
    assert every[Behaviour.FLOOD].flooded_bytes > FLOOD_BYTES
    resident = Vitals.read(client.metrics()).resident_bytes
    assert resident is not None
    assert resident < FLOOD_BYTES / 4
