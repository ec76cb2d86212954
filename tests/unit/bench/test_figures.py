from __future__ import annotations

import pytest

from tests.bench.figures import Row, aimed, percentile, ratio_of_means, skipped, table
from tests.fakes.blind_mount import UnavailableError


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected


def test_a_percentile_of_one_value_is_that_value_and_of_none_is_an_error() -> None:
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_what_disturbs_both_of_a_pair_does_not_spread_their_ratio() -> None:
    peers = [1.0, 5.0, 2.0, 4.0]
    ratio, error = ratio_of_means([1.1 * peer for peer in peers], peers)
    assert ratio == pytest.approx(1.1)
    assert error == pytest.approx(0.0, abs=1e-12)


def test_the_ratio_is_of_means_and_not_the_mean_of_ratios() -> None:
    ratio, error = ratio_of_means([1.0, 5.0], [2.0, 4.0])
    assert ratio == pytest.approx(1.0)
    # Residuals of -1 and 1: a variance of 2, over two trials, over a mean of 3.
    assert error == pytest.approx(1 / 3)


def test_one_pair_tells_no_spread() -> None:
    with pytest.raises(ValueError, match="two pairs"):
        ratio_of_means([1.0], [1.0])


@pytest.mark.parametrize(
    ("ratio", "aim", "met"),
    [(2.0, 3.0, True), (3.0, 3.0, True), (3.01, 3.0, False), (None, 3.0, None), (2.0, None, None)],
)
def test_an_aim_is_met_missed_or_unknown(ratio: float | None, aim: float | None, met: bool | None) -> None:
    assert Row("m", "v", ratio=ratio, aim=aim).met is met


def test_the_table_is_aligned_and_leaves_unknown_cells_empty() -> None:
    rows = [
        Row("monitord status", "46.2 ms", "8.8 ms", 5.25, aim=6.0),
        Row("up", "3.41 s", "2.49 s", 1.37, spread=0.26, aim=1.05),
        Row("on disk", "38.6 ms"),
    ]
    assert table(rows).splitlines() == [
        "MEASURE          VALUE    FLOOR, PEER OR AIM  RATIO        AIM      MET?",
        "monitord status  46.2 ms  8.8 ms              5.25         <= 6     yes",
        "up               3.41 s   2.49 s              1.37 ± 0.26  <= 1.05  NO",
        "on disk          38.6 ms",
    ]


def test_a_measure_with_an_aim_in_its_own_unit_is_compared_with_that() -> None:
    assert aimed("m", 37.128, 50.0, "ms").value == "37.13 ms"
    assert [aimed("m", value, 50.0, "ms").met for value in (49.0, 50.0, 50.1)] == [True, True, False]


def test_what_was_skipped_says_why_and_meets_nothing() -> None:
    row = skipped("calls", UnavailableError("no strace"))
    assert (row.met, table([row]).splitlines()[1]) == (None, "calls    skipped  no strace")
