"""Types of metrics: what exporters declare counts, else the name."""

from __future__ import annotations

from itertools import permutations

import pytest

from monitord.collect.metric_types import Metadata, MetricTypes

DECLARED: Metadata = {
    "requests_total": [{"type": "counter", "help": "h", "unit": ""}],
    "hits": [{"type": "counter"}],  # as OpenMetrics has it
    "latency": [{"type": "histogram"}],
    "rpc": [{"type": "summary"}],
    "sizes": [{"type": "gaugehistogram"}],
    "thread_count": [{"type": "gauge"}],
    "queue": [{"type": "gauge"}],
    "odd": [{"type": "unknown"}, {}],
    "odd_total": [{"type": "untyped"}],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("requests_total", ("counter", True)),
        ("hits_total", ("counter", True)),
        ("hits_count", ("counter", True)),  # by its name: a counter has no such part
        ("latency_bucket", ("histogram", True)),
        ("latency_count", ("histogram", True)),
        ("latency_sum", ("histogram", True)),
        ("latency", ("histogram", False)),
        ("latency_total", ("counter", True)),
        ("rpc", ("summary", False)),
        ("rpc_sum", ("summary", True)),
        ("sizes_bucket", ("gaugehistogram", False)),
        ("thread_count", ("gauge", False)),
        ("queue_total", ("counter", True)),
        ("odd", ("unknown", False)),
        ("odd_total", ("counter", True)),
        ("bytes", ("unknown", False)),
        ("bytes_sum", ("counter", True)),
        ("total", ("unknown", False)),
        ("up", ("gauge", False)),
        ("scrape_samples_scraped", ("gauge", False)),
    ],
)
def test_a_type_is_that_declared_or_by_the_name(name: str, expected: tuple[str, bool]) -> None:
    assert MetricTypes(DECLARED).of(name) == expected


def test_of_conflicting_declarations_the_first_by_the_alphabet_counts() -> None:
    for types in permutations(("unknown", "gauge", "counter", "histogram")):
        declared = MetricTypes({"x": [{"type": each} for each in types]})
        assert declared.of("x") == ("counter", True)


def test_the_published_type_of_a_part_gives_it_again() -> None:
    types = MetricTypes(DECLARED)
    for name in ("latency_bucket", "rpc_sum", "sizes_bucket", "hits_total", "thread_count", "odd", "bytes"):
        published, _ = types.of(name)
        assert MetricTypes({name: [{"type": published}]}).of(name) == types.of(name)
