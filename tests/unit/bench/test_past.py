"""A made-up past: so many samples as it says, all of them in its window, of services as they are."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from tests.bench.past import Past, registry_of


def test_every_series_has_a_sample_of_each_scrape_in_the_window(tmp_path: Path) -> None:
    past = Past(nodes=2, series=400, scrapes=30)
    series: dict[str, list[float]] = defaultdict(list)
    for line in past.lines(registry_of(past.session(tmp_path))):
        name, _, time = line.rsplit(" ", 2)
        series[name].append(float(time))
    assert len(series) == past.series
    assert {len(times) for times in series.values()} == {past.scrapes}
    assert all(earlier < later for times in series.values() for earlier, later in pairwise(times))
    assert all(past.window.start < time < past.window.end for times in series.values() for time in times)


def test_metrics_have_the_names_that_services_give_them(tmp_path: Path) -> None:
    past = Past(nodes=1, series=200, scrapes=1)
    lines = list(past.lines(registry_of(past.session(tmp_path))))
    for name in (
        "up",
        "node_cpu_seconds_total",
        "pg_stat_database_xact_commit",
        "vllm:e2e_request_latency_seconds_bucket",
    ):
        assert any(line.startswith(f"{name}{{") for line in lines), name
