"""Data that one version of Prometheus began, and another goes on with in the middle of a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitord.collect.collect import collect
from monitord.collect.request import CollectionRequest
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import has_left_open_ranges
from monitord.prometheus.config.programs import find_promtool, install_config
from monitord.prometheus.config.render_config import render_config
from monitord.recipes.model import Recipe
from monitord.session.settings import LimitSettings
from monitord.windows.model import Window
from tests.conftest import wait_until
from tests.fakes.exporter import FakeExporter
from tests.integration.prometheus.conftest import Server, prepared_server
from tests.versions import build_of

pytestmark = pytest.mark.real

LATENCY = Recipe.model_validate(
    {
        "name": "r",
        "help": "h",
        "kpis": [
            {
                "name": "k",
                "help": "h",
                "unit": "s",
                "kind": "histogram",
                "metric": "h",
                "stats": ["p25", "p75"],
            }
        ],
    }
)


def observed(fast: int, slow: int) -> str:
    """Expose so many observations below 1 s, and so many from 1 to 2 s; bounds as Go writes them."""
    counts = {"1": fast, "2": fast + slow, "+Inf": fast + slow}
    buckets = "".join(f'h_bucket{{le="{le}"}} {count}\n' for le, count in counts.items())
    return f"# TYPE h histogram\n{buckets}h_count {fast + slow}\nh_sum {fast / 2 + slow * 1.5}\n"


def await_count(client: PrometheusClient, count: int) -> None:
    def counts() -> bool:
        return [series.value for series in client.query("h_count").series] == [count]

    wait_until(counts, f"{count} observations to be scraped")


def serving(server: Server, log: str) -> PrometheusClient:
    process = server.start(log=log)
    client = server.client(wait_until(process.listening_url, "Prometheus to listen"))
    wait_until(client.ready, "Prometheus to be ready")
    return client


@pytest.mark.parametrize(("before", "after"), [("2.42", "3.5"), ("3.5", "2.42")])
def test_a_window_across_the_change_has_all_that_was_observed(
    exporter: FakeExporter, tmp_path: Path, before: str, after: str
) -> None:
    successor = build_of(after)
    with prepared_server(tmp_path / "prometheus", build_of(before)) as server:
        exporter.text = observed(0, 0)
        server.scrape("service", exporter.url, session="s")
        with serving(server, "before.log") as client:
            await_count(client, 0)
            exporter.text = observed(100, 0)
            await_count(client, 100)
        assert server.processes[0].stop(10.0) == 0
        exporter.text = observed(200, 0)  # while neither looks

        server.build = successor
        config = render_config(server.file_sd, 0.2, LimitSettings(), successor.version)
        install_config(server.folder / "prometheus.yml", config, find_promtool(successor))
        with serving(server, "after.log") as client:
            await_count(client, 200)
            exporter.text = observed(200, 200)
            await_count(client, 400)
            (count,) = client.query("h_count[10m]").series
            end = count.samples[-1][0]
            wait_until(lambda: client.query("timestamp(h_count)").series[0].value > end, "a later scrape")
            window = Window("w", count.samples[0][0] + 0.01, end)
            left_open = has_left_open_ranges(client.build_info()["version"])
            request = CollectionRequest("s", window, (), 0.2, 0.95, (LATENCY,), left_open=left_open)
            found = collect(request, client)
            bounds = {series.labels["le"] for series in client.query("last_over_time(h_bucket[10m])").series}

    assert count.samples[0][1] == 0
    assert bounds == {"1.0", "2.0", "+Inf"}
    assert [row.value for row in found.rows] == [pytest.approx(0.5, rel=0.05), pytest.approx(1.5, rel=0.05)]
    assert [(row.stat, row.bucket_hi) for row in found.rows] == [("p25", 1), ("p75", 2)]
    assert {row.reason for row in found.rows} <= {"first_bucket", "low_coverage"}
