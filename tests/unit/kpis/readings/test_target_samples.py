"""The raw samples of a target as tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from monitord.kpis.readings.target_samples import Series, TargetSamples, target_samples, targets_of
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.sample_block import HistogramSeries, SampleBlock

TARGET = {"job": "web", "instance": "h:1", "client": "c1"}


def series(name: str, samples: dict[int, float], **labels: str) -> Series:
    return Series(
        {"__name__": name, **TARGET, **labels},
        np.array(list(samples), np.int64),
        np.array(list(samples.values()), np.float64),
    )


def target(*found: Series) -> TargetSamples:
    made = target_samples(found)
    assert made is not None
    return made


def test_series_share_the_columns_of_their_scrapes() -> None:
    made = target(
        series("up", {1000: 1, 2000: 0, 3000: 1}),
        series("requests_total", {1000: 5, 3000: 9}, code="200"),
        series("requests_total", {3000: 1}, code="500"),
    )
    requests = made.metrics["requests_total"]
    assert [labels["code"] for labels in requests.labels] == ["200", "500"]
    assert made.counted["requests_total"].values.tolist()[0] == [5, 9]
    assert math.isnan(made.counted["requests_total"].values[1, 0])
    assert made.scrapes.labels == TARGET
    assert made.scrapes.successes.starts.tolist() == [1.0, 3.0]


def test_a_scrape_ends_after_its_duration() -> None:
    made = target(
        series("up", {1000: 1, 2000: 1}),
        series("scrape_duration_seconds", {1000: 0.25, 2000: 0.5}),
    )
    assert made.scrapes.successes.ends.tolist() == [1.25, 2.5]


def test_a_process_that_started_again_is_known_by_its_start_time() -> None:
    times = (1000, 2000, 3000, 4000)
    made = target(
        series("up", dict.fromkeys(times, 1.0)),
        series("process_start_time_seconds", {1000: 0.5, 2000: 0.51, 4000: 3.2}),
    )
    assert made.scrapes.successes.restarted.tolist() == [False, False, False, True]


def test_a_target_whose_labels_were_changed_is_one_target() -> None:
    made = target(
        series("up", {1000: 1, 2000: 1}, model="a"),
        series("up", {3000: 1}, model="b"),
        series("requests_total", {1000: 1, 2000: 2}, model="a"),
        series("requests_total", {3000: 3}, model="b"),
    )
    assert made.scrapes.labels["model"] == "b"
    assert made.scrapes.times.tolist() == [1000, 2000, 3000]
    assert made.metrics["requests_total"].values.tolist() == [[1, 2, 3]]
    assert made.metrics["requests_total"].labels[0]["model"] == "b"


def test_series_that_differ_in_labels_of_their_own_stay_apart_when_the_targets_change() -> None:
    made = target(
        series("up", {1000: 1}, model="a"),
        series("up", {2000: 1}, model="b"),
        series("requests_total", {1000: 1}, model="a", code="200"),
        series("requests_total", {2000: 2}, model="b", code="200"),
        series("requests_total", {2000: 7}, model="b", code="500"),
    )
    requests = made.metrics["requests_total"]
    found = {
        labels["code"]: row for labels, row in zip(requests.labels, requests.values.tolist(), strict=True)
    }
    assert found["200"] == [1, 2]
    assert math.isnan(found["500"][0])


def test_series_by_gpu() -> None:
    made = target(
        series("up", {1000: 1}),
        series("power", {1000: 1}, gpu="0", kind="a"),
        series("power", {1000: 2}, gpu="1"),
        series("power", {1000: 3}, gpu="0", kind="b"),
        series("power", {1000: 4}),
    )
    by_gpu = {gpu: found.values[:, 0].tolist() for gpu, found in made.metrics["power"].by_gpu()}
    assert by_gpu == {"0": [1, 3], "1": [2], "": [4]}
    assert made.scrapes.group("1") == ("web", "h:1", "c1", "", "", "1")


def block(*found: Series) -> SampleBlock:
    return SampleBlock(
        [each.labels for each in found],
        np.cumsum([len(each.times) for each in found]),
        np.concatenate([each.times for each in found]),
        np.concatenate([each.values for each in found]),
    )


def test_a_block_has_the_targets_in_the_order_of_their_first_series() -> None:
    other = {"job": "db", "instance": "h:2"}
    native = HistogramSeries(
        {"__name__": "h", **other}, np.array([1000], np.int64), [RawHistogram("1", "2", [])]
    )
    made = targets_of(
        replace(
            block(
                series("up", {1000: 1}, **other),
                series("up", {1000: 1}),
                series("a", {1000: 2}, **other),
                series("a", {1000: 3}),
                series("a", {1000: 4}, instance="h:3"),  # never scraped
            ),
            histograms=[replace(native, labels={**native.labels, "client": "c1"})],
        )
    )
    assert [each.scrapes.identity for each in made] == [("db", "h:2", "c1"), ("web", "h:1", "c1")]
    assert [each.metrics["a"].values.tolist() for each in made] == [[[2]], [[3]]]
    assert [list(each.histograms) for each in made] == [["h"], []]


def test_a_target_in_several_blocks_is_dated_by_the_first() -> None:
    (first,) = targets_of(block(series("up", {1000: 1, 2000: 0})))
    known = {first.scrapes.identity: first.scrapes}
    (second,) = targets_of(block(series("a", {1000: 5})), known)
    assert second.scrapes is first.scrapes
    assert second.counted["a"].values.tolist() == [[5]]
    assert targets_of(block(series("a", {1000: 5}))) == []


def test_what_was_never_scraped_has_no_samples() -> None:
    assert target_samples([]) is None
    assert target_samples([series("requests_total", {1000: 1})]) is None


def test_a_sample_of_no_scrape_is_left_out() -> None:
    made = target(series("up", {1000: 1, 2000: 1}), series("odd", {1500: 7}), series("late", {9000: 7}))
    assert np.isnan(made.metrics["odd"].values).all()
    assert np.isnan(made.metrics["late"].values).all()
