"""What was scraped several times counts once, in every scope and for every kind."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from monitord.kpis.groups import Group
from monitord.kpis.kind import MetricKind, MetricReading
from monitord.kpis.kinds import kind_of
from monitord.kpis.readings.distinct import DistinctReading
from monitord.kpis.readings.histogram import HistogramReading
from monitord.kpis.readings.increase import Floats
from monitord.kpis.readings.target_samples import Series, TargetSamples, target_samples
from monitord.kpis.span import Span
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.sample_block import HistogramSeries
from monitord.recipes.model import Kpi

SPAN = Span("s", 1000.0, 1100.0, 5.0)
TIMES = np.array([1000 * second for second in range(992, 1118, 5)], np.int64)
SECONDS = TIMES / 1000.0 - 900
ONE = {"job": "a", "instance": "h1:1", "client": "c1", "node": "n1"}
TWO = {"job": "b", "instance": "h2:1", "client": "c2", "node": "n2"}
Found = tuple[Mapping[str, str], Floats]


def target(own: Mapping[str, str], *found: Found, times: Any = TIMES) -> TargetSamples:
    series = [Series({"__name__": "up", **own}, times, np.ones(len(times)))]
    at = np.isin(TIMES, times)
    series += [Series({"__name__": "m", **own, **labels}, times, values[at]) for labels, values in found]
    made = target_samples(series)
    assert made is not None
    return made


def reading(kpi: Mapping[str, Any]) -> MetricReading:
    kind = kind_of(kpi["kind"])
    assert isinstance(kind, MetricKind)
    keys = {"name": "k", "help": "h", "unit": "x/s", "metric": "m", "stats": ["mean"]}
    return kind.reading(Kpi.model_validate({**keys, **kpi}), SPAN)


def counter(*distinct: str) -> MetricReading:
    return reading({"kind": "counter", "distinct": [*distinct]})


def take(into: MetricReading, *targets: TargetSamples, role: str = "counter") -> MetricReading:
    for each in targets:
        into.take(role, each, each.metrics["m"])
    return into


def mean(of: MetricReading, *groups: Group, stat: str = "mean") -> float | None:
    return of.estimate(stat, "session", groups or of.groups).value


BUCKETS: list[Found] = [({"le": le}, SECONDS * share) for le, share in (("1", 1), ("2.5", 3), ("+Inf", 4))]
QUANTILES: list[Found] = [({"quantile": "0.5"}, SECONDS * 0 + 7)]
KINDS: list[tuple[str, dict[str, list[Found]], tuple[str, ...]]] = [
    ("counter", {"counter": [({}, 3 * SECONDS)]}, ("mean", "min", "max", "total")),
    ("gauge", {"gauge": [({}, SECONDS)]}, ("mean", "sum", "min", "max", "std", "p90")),
    ("bare", {"bare": BUCKETS}, ("count", "p50")),
    ("histogram", {"count": [({}, 4 * SECONDS)], "sum": [({}, 8 * SECONDS)], "buckets": BUCKETS},
     ("mean", "count", "total", "rate", "p50", "p99")),
    ("summary", {"count": [({}, 4 * SECONDS)], "sum": [({}, 8 * SECONDS)], "quantiles": QUANTILES},
     ("mean", "count", "p50")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "roles", "stats"), KINDS, ids=[kind for kind, _, _ in KINDS])
def test_what_two_targets_have_counts_once_in_every_scope(
    kind: str, roles: Mapping[str, list[Found]], stats: tuple[str, ...]
) -> None:
    of = {"kind": "histogram", "buckets": "m"} if kind == "bare" else {"kind": kind}
    plain = reading({**of, "stats": [*stats]})
    twice = reading({**of, "stats": [*stats], "distinct": ["id"]})
    for role, found in roles.items():
        same = [({**labels, "id": "7"}, values) for labels, values in found]
        take(plain, target(ONE, *same), role=role)
        take(twice, target(ONE, *same), target(TWO, *same), role=role)
    assert len(twice.groups) == 2
    for stat in stats:
        once = plain.estimate(stat, "session", plain.groups)
        assert once.value
        for groups in (twice.groups, *((group,) for group in twice.groups)):
            assert twice.estimate(stat, "session", groups) == once
            assert twice.over_time(stat, "session", groups) == pytest.approx(
                plain.over_time(stat, "session", plain.groups), nan_ok=True
            )
    assert [twice.resets(group) for group in twice.groups] == [
        plain.resets(group) for group in plain.groups
    ] * 2


def test_native_histograms_count_once() -> None:
    drawn = [RawHistogram(str(4 * n), str(8 * n), [(0, "1", "2", str(3 * n)), (0, "2", "4", str(n))])
             for n in range(len(TIMES))]  # fmt: skip
    stats = ("mean", "count", "p50")
    plain, twice = (
        reading({"kind": "histogram", "stats": [*stats], "distinct": distinct}) for distinct in ([], ["id"])
    )
    for own, into in ((ONE, plain), (ONE, twice), (TWO, twice)):
        assert isinstance(into, HistogramReading | DistinctReading)
        into.take_native(target(own), [HistogramSeries({"__name__": "m", **own, "id": "7"}, TIMES, drawn)])
    assert len(twice.groups) == 2
    for stat in stats:
        once = plain.estimate(stat, "session", plain.groups)
        assert once.value
        assert twice.estimate(stat, "session", twice.groups) == once


def test_the_one_with_most_samples_is_taken_whatever_the_order() -> None:
    few, many = target(TWO, ({"id": "7"}, 9 * SECONDS), times=TIMES[::2]), target(ONE, ({"id": "7"}, SECONDS))
    for order in permutations((few, many)):
        found = take(counter("id"), *order)
        assert mean(found) == pytest.approx(1)
        assert [mean(found, group) for group in found.groups if group.node == "n2"] == pytest.approx([9])


def test_of_as_many_the_first_by_its_labels_is_taken_whatever_the_order() -> None:
    targets = [target(own, ({"id": "7"}, rate * SECONDS)) for own, rate in ((TWO, 2), (ONE, 1))]
    for order in permutations(targets):
        assert mean(take(counter("id"), *order)) == pytest.approx(1)
    series = [({"id": "7", "other": other}, rate * SECONDS) for other, rate in (("b", 2), ("a", 1))]
    for found in permutations(series):
        assert mean(take(counter("id"), target(ONE, *found))) == pytest.approx(1)


def test_what_differs_in_one_of_the_labels_or_in_its_target_s_is_added_up() -> None:
    series = [({"id": id_, "x": x}, SECONDS) for id_ in "12" for x in "12"]
    targets = [target(own, *series) for own in (ONE, TWO)]
    assert mean(take(counter("id"), *targets)) == pytest.approx(2)
    assert mean(take(counter("id", "x"), *targets)) == pytest.approx(4)
    assert mean(take(counter("node", "id"), *targets)) == pytest.approx(4)
    assert mean(take(counter("node"), *targets)) == pytest.approx(2)


def test_series_without_any_of_the_labels_all_count() -> None:
    series = [({"x": "1"}, SECONDS), ({"x": "2"}, SECONDS)]
    assert mean(take(counter("node", "id"), target(ONE, *series), target(TWO, *series))) == pytest.approx(4)
    partly = [({"id": "1"}, SECONDS), ({"id": "1", "y": "2"}, SECONDS)]
    assert mean(take(counter("id", "y"), target(ONE, *partly), target(TWO, *partly))) == pytest.approx(2)


def test_a_loopback_address_is_another_server_on_every_node() -> None:
    for address, servers in (("127.0.0.1:9000", 2), ("localhost:9000", 2), ("[::1]:9000", 2), ("h3:9000", 1)):
        targets = [target(own, ({"server": address}, SECONDS)) for own in (ONE, TWO)]
        assert mean(take(counter("server"), *targets)) == pytest.approx(servers)


def test_a_label_that_changes_on_the_way_loses_nothing() -> None:
    early = np.where(TIMES < 1_040_000, SECONDS, np.nan)
    late = np.where(TIMES >= 1_040_000, SECONDS, np.nan)
    found = take(counter("id"), target(ONE, ({"id": "7", "j": "1"}, early), ({"id": "7", "j": "2"}, late)))
    estimate = found.estimate("mean", "session", found.groups)
    assert estimate.value == pytest.approx(1)
    assert (estimate.presence, estimate.reason) == (1.0, "")
    steady = take(counter(), target(ONE, ({"id": "7"}, SECONDS)))
    assert estimate == steady.estimate("mean", "session", steady.groups)


def test_a_divisor_without_the_labels_is_added_up() -> None:
    found = reading({"kind": "counter", "per": "m", "distinct": ["id"]})
    take(found, *(target(own, ({"id": "7"}, 6 * SECONDS)) for own in (ONE, TWO)))
    take(found, *(target(own, ({}, SECONDS)) for own in (ONE, TWO)), role="divisor")
    assert mean(found) == pytest.approx(3)


def test_each_gpu_is_a_group_of_its_own() -> None:
    series = [({"id": gpu, "gpu": gpu, "j": j}, SECONDS) for gpu in "01" for j in "12"]
    found = take(counter("node", "id"), target(ONE, *series), target({**ONE, "instance": "h1:2"}, *series))
    assert mean(found) == pytest.approx(2)
    assert {group.gpu for group in found.groups} == {"0", "1"}
    assert [mean(found, group) for group in found.groups] == pytest.approx([1] * 4)


def test_a_series_that_was_not_in_the_window_is_in_no_group() -> None:
    found = take(counter("id"), target(ONE, ({"id": "7"}, np.full(len(TIMES), np.nan))))
    assert not found.groups
    assert found.estimate("mean", "session", ()).value is None
