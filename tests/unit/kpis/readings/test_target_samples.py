"""The raw samples of a target as tables."""

from __future__ import annotations

import math

import numpy as np

from monitord.kpis.readings.target_samples import Series, TargetSamples, target_samples

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
    assert made.counted(requests).tolist()[0] == [5, 9]
    assert math.isnan(made.counted(requests)[1, 0])
    assert made.labels == TARGET
    assert made.scrapes.starts.tolist() == [1.0, 3.0]


def test_a_scrape_ends_after_its_duration() -> None:
    made = target(
        series("up", {1000: 1, 2000: 1}),
        series("scrape_duration_seconds", {1000: 0.25, 2000: 0.5}),
    )
    assert made.scrapes.ends.tolist() == [1.25, 2.5]


def test_a_process_that_started_again_is_known_by_its_start_time() -> None:
    times = (1000, 2000, 3000, 4000)
    made = target(
        series("up", dict.fromkeys(times, 1.0)),
        series("process_start_time_seconds", {1000: 0.5, 2000: 0.51, 4000: 3.2}),
    )
    assert made.scrapes.restarted.tolist() == [False, False, False, True]


def test_a_target_whose_labels_were_changed_is_one_target() -> None:
    made = target(
        series("up", {1000: 1, 2000: 1}, model="a"),
        series("up", {3000: 1}, model="b"),
        series("requests_total", {1000: 1, 2000: 2}, model="a"),
        series("requests_total", {3000: 3}, model="b"),
    )
    assert made.labels["model"] == "b"
    assert made.times.tolist() == [1000, 2000, 3000]
    assert made.metrics["requests_total"].values.shape == (2, 3)


def test_what_was_never_scraped_has_no_samples() -> None:
    assert target_samples([]) is None
    assert target_samples([series("requests_total", {1000: 1})]) is None


def test_a_sample_of_no_scrape_is_left_out() -> None:
    made = target(series("up", {1000: 1, 2000: 1}), series("odd", {1500: 7}), series("late", {9000: 7}))
    assert np.isnan(made.metrics["odd"].values).all()
    assert np.isnan(made.metrics["late"].values).all()
