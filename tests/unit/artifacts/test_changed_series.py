"""What changed most over every series: certain only if no run of one side reaches the other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts.changed_series import ChangedSeries, SeriesSide, compare_series, effect_of
from monitord.artifacts.series_output import series_json, series_lines
from tests.fakes.series_rows import Row, counter, gauge, run_of


def only(before: Row, after: Row) -> ChangedSeries:
    (row,) = compare_series([run_of(before)], [run_of(after)]).rows
    return row


def test_a_rate_changed_if_its_bounds_are_apart() -> None:
    row = only(counter("a_total", 3.0, 1.0), counter("a_total", 9.0, 1.0))
    assert row.effect == pytest.approx(0.5)  # from at most 4 to at least 8
    assert row.ratio == pytest.approx(3)
    assert row.ratio_bounds == pytest.approx((2, 5))
    assert (row.p, row.q) == (None, None)
    assert only(counter("a_total", 9.0, 1.0), counter("a_total", 3.0, 1.0)).effect == pytest.approx(-0.5)
    assert not only(counter("a_total", 3.0, 1.0), counter("a_total", 5.0, 1.0)).is_apart
    assert not only(counter("a_total", 3.0, float("inf")), counter("a_total", 9.0, 1.0)).is_apart
    assert only(counter("a_total", 0.0), counter("a_total", 5.0)).effect == 1


def test_a_mean_of_one_run_changed_if_it_is_further_than_the_samples_are_spread() -> None:
    assert only(gauge("queue", 10.0, 1.0), gauge("queue", 22.0, 2.0)).effect == pytest.approx(9 / 20)
    assert not only(gauge("queue", 10.0, 1.0), gauge("queue", 12.0, 2.0)).is_apart
    assert not only(gauge("queue", 10.0, 0.0), gauge("queue", 10.0, 0.0)).is_apart
    assert not only(gauge("queue", 10.0, n=1), gauge("queue", 20.0, n=1)).is_apart
    assert only(gauge("queue", -4.0), gauge("queue", 4.0)).effect == 2


def repeats(metric: str, values: Sequence[float]) -> list[Row]:
    return [gauge(metric, value, std=100.0) for value in values]


def test_repeats_decide_by_their_spread_and_by_the_rate_of_false_discoveries() -> None:
    before, after = repeats("queue", [1, 2, 3, 4]), repeats("queue", [8, 9, 7, 16])
    noise = [repeats(f"noise{number}", [1, 3, 2, 4]) for number in range(2)]
    others = [repeats(f"noise{number}", [2, 3, 1, 5]) for number in range(2)]
    same = [gauge("constant", 1.0)] * 4
    found = compare_series(
        [run_of(*rows) for rows in zip(before, *noise, same, strict=True)],
        [run_of(*rows) for rows in zip(after, *others, same, strict=True)],
    )
    by_metric = {row.key.metric: row for row in found.rows}
    assert found.tested == 3, "what never varies is not tested"
    queue = by_metric["queue"]
    assert queue.effect == pytest.approx(3 / 7)
    assert queue.p == pytest.approx(2 / 70)
    assert queue.q == pytest.approx(3 * 2 / 70)
    assert not queue.is_significant
    assert [row.key.metric for row in found.changed] == ["queue"]
    assert by_metric["constant"].p is None


def test_the_largest_effect_comes_first_and_a_histogram_is_one_metric() -> None:
    def side(factor: float) -> list[Row]:
        return [
            gauge("small", 10.0 + factor),
            gauge("large", 1.0 * factor**2),
            counter("latency_sum", 5.0 * factor, kind="histogram"),
            counter("latency_count", 5.0, kind="histogram"),
            *(counter("latency_bucket", 1.0 * factor**4, kind="histogram", le=le) for le in ("1", "2")),
            counter("only_total", 1.0) if factor == 1 else gauge("new", 1.0),
        ]

    found = compare_series([run_of(*side(1))], [run_of(*side(3))])
    assert [(each.largest.key.metric, each.largest.key.kind, each.others) for each in found.by_metric()] == [
        ("large", "mean", 0), ("latency", "observed mean", 3), ("small", "mean", 0),
    ]  # fmt: skip
    assert (found.only_before, found.only_after) == (("only_total",), ("new",))
    lines = series_lines(found)
    assert "metrics only in A: only_total" in lines
    assert "metrics only in B: new" in lines
    content = series_json(found)
    assert (content["on_both_sides"], content["only_in_b"]) == (7, ("new",))
    assert len(content["changed"]) == 6
    assert content["changed"][0]["labels"] == {"le": "1"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            [counter("a_total", 3.0, 1.0, code="1")], [counter("a_total", 9.0, 1.0, code="1")],
            'web: a_total rose from 3 to 9 per second (x3), by its bounds at least x2',
        ),
        (
            [counter("a_total", 9.0, 1.0)], [counter("a_total", 3.0, 1.0)],
            "web: a_total fell from 9 to 3 per second (x0.333), by its bounds at most x0.5",
        ),
        (
            [counter("a_total", 0.0)], [counter("a_total", 3.0, 1.0)],
            "web: a_total rose from 0 to 3 per second, for certain by its bounds",
        ),
        (
            [counter("a_total", 3.0, 1.0)], [counter("a_total", 0.0)],
            "web: a_total fell from 3 to 0 per second, for certain by its bounds",
        ),
        (
            [gauge("queue", 3.1, 1.0)], [gauge("queue", 7.9, 1.0)],
            "web: queue rose from 3.1 to 7.9 (x2.55), by more than the standard deviations of its samples",
        ),
        (
            repeats("queue", [3, 3.1, 3.2, 3.1]), repeats("queue", [7.8, 7.9, 7.9, 8]),
            "web: queue rose from 3.1 to 7.9 (x2.55), in all 4 repeats (q 0.029)",
        ),
        (
            repeats("queue", [3]), repeats("queue", [90, 300]),
            None,  # one run with such a spread does not decide
        ),
        (
            repeats("queue", [1, 2, 3, 4, 9]), repeats("queue", [10, 11, 12, 13, 8]),
            "web: queue rose from 3 to 11 (x3.67), in most repeats (q 0.016)",
        ),
        (
            [*repeats("queue", [1, 2]), gauge("other", 1.0)], repeats("queue", [10, 11]),
            "web: queue rose from 1.5 to 10.5 (x7), in every repeat that has it, 2 of 3 and 2 of 2 (q 0.33)",
        ),
    ],
)  # fmt: skip
def test_a_change_in_words(before: list[Row], after: list[Row], words: str | None) -> None:
    found = compare_series([run_of(row) for row in before], [run_of(row) for row in after])
    assert [line for line in series_lines(found) if line.startswith("web: ")] == ([words] if words else [])


def test_a_sentence_has_the_labels_that_vary() -> None:
    def side(changed: float) -> list[Row]:
        return [
            gauge("queue", 3.0, zone="a", model="m"),
            gauge("queue", changed, zone="b", model="m"),
            gauge("size", changed, zone="b", model="m"),
        ]

    found = compare_series([run_of(*side(1.0))] * 2, [run_of(*side(2.0))] * 2)
    assert series_lines(found)[-2:] == [
        'web: queue{zone="b"} rose from 1 to 2 (x2), in both repeats (q 0.33)',
        "web: size rose from 1 to 2 (x2), in both repeats (q 0.33)",
    ]
    assert series_json(found)["changed"][0]["labels"] == {"zone": "b", "model": "m"}


def test_labels_that_are_left_out_are_named() -> None:
    before, after = gauge("queue", 1.0, model="a"), gauge("queue", 2.0, model="b")
    lines = series_lines(compare_series([run_of(before)], [run_of(after)]))
    assert lines == [
        "every series: 1 are on both sides; A and B are apart in 1",
        "left out, as no value of theirs is on both sides: model (of web)",
        "web: queue rose from 1 to 2 (x2), by more than the standard deviations of its samples",
    ]


SIDES = st.tuples(st.floats(-10, 10), st.floats(0, 5)).map(
    lambda each: SeriesSide((each[0],), each[0] - each[1], each[0] + each[1], 0)
)


@given(SIDES, SIDES)
def test_an_effect_has_the_sign_of_the_change_and_is_0_only_where_ranges_touch(
    before: SeriesSide, after: SeriesSide
) -> None:
    effect = effect_of(before, after)
    assert -2 <= effect <= 2
    assert (effect > 0) == (after.low > before.high)
    assert (effect < 0) == (after.high < before.low)
    assert effect_of(after, before) == -effect
