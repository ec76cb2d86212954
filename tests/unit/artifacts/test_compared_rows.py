"""Runs side by side: what is compared, what is refused, and how it is written."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts.compared_rows import Compared, Run, compare, run_of
from monitord.artifacts.comparison_output import (
    COLUMNS,
    Comparison,
    cells,
    heading,
    note,
    regression_lines,
    to_json,
    to_junit,
    to_markdown,
    undecided_lines,
)
from monitord.artifacts.decision import Measured
from monitord.artifacts.same_setup import incomparable, ungated

LATENCY = ("latency", "p99", "session", "", "", "", "")
RATE = ("throughput", "mean", "session", "", "", "", "")
KPIS: dict[str, dict[str, Any]] = {
    "latency": {"help": "h", "unit": "ms", "kind": "histogram", "metric": "m", "better": "lower"},
    "throughput": {"help": "h", "unit": "requests/s", "kind": "counter", "metric": "t", "better": "higher"},
    "cpu_util": {"help": "h", "unit": "%", "kind": "gauge", "metric": "c", "better": None},
}


def run(name: str, latency: float | None = 100.0, **changes: Any) -> Run:
    found = Run(
        name, name, "complete", (), 60.0, 5.0, KPIS, {LATENCY: "ms", RATE: "requests/s"},
        {LATENCY: Measured(latency), RATE: Measured(50.0)},
    )  # fmt: skip
    return replace(found, **changes)


def runs(*values: float | Measured | None) -> list[Run]:
    """Return a run of each latency."""
    found = [value if isinstance(value, Measured) else Measured(value) for value in values]
    return [run(f"r{n}", measured={LATENCY: each, RATE: Measured(50.0)}) for n, each in enumerate(found)]


def latency(before: list[Run], after: list[Run], **limits: float) -> Compared:
    return next(row for row in compare(before, after, limits, {}) if row.key == LATENCY)


def spread(value: float, count: int = 4) -> tuple[float, ...]:
    """Return repeats whose median is this value, so close together that others do not overlap them."""
    return tuple(value * (1 + 1e-5 * (n - (count - 1) / 2)) for n in range(count))


SAME = runs(*spread(100.0))


def test_repeats_that_do_not_overlap_are_better_or_worse() -> None:
    row = latency(SAME, runs(*spread(120.0)), latency=10.0)
    assert row.change == pytest.approx(20)
    assert row.test is not None
    assert row.test.p == row.p_adjusted == pytest.approx(2 / 70)
    assert (row.verdict, row.is_regression) == ("worse", True)
    row = latency(SAME, runs(*spread(80.0)), latency=10.0)
    assert (row.verdict, row.is_regression) == ("better", False)
    row = latency(SAME, runs(*spread(120.0)))
    assert (row.verdict, row.is_regression, row.p_adjusted) == ("worse", False, None)
    row = latency([run("a")], [run("b")], latency=0.0)
    assert (row.change, row.verdict, row.is_regression) == (0.0, "same", False)


def test_one_run_on_each_side_decides_nothing() -> None:
    for new in (80.0, 101.0, 1e9):
        row = latency([run("a")], [run("b", new)], latency=0.5)
        assert (row.verdict, row.is_regression, row.repeats_needed) == ("undecided", False, 4)
        assert note(row) == "at best 4 repeats on each side would decide"


def test_three_repeats_decide_nothing_and_four_do() -> None:
    three = latency(runs(1.0, 2.0, 3.0), runs(7.0, 8.0, 9.0), latency=5.0)
    assert three.test is not None
    assert three.test.p == pytest.approx(0.1)
    assert (three.verdict, three.repeats_needed) == ("undecided", 4)
    four = latency(runs(1.0, 2.0, 3.0, 4.0), runs(7.0, 8.0, 9.0, 9.5), latency=5.0)
    assert (four.verdict, four.repeats_needed) == ("worse", None)


def test_repeats_that_overlap_are_undecided_however_many() -> None:
    old, new = (100.0, 104.0, 102.0, 103.0, 150.0), (101.0, 120.0, 130.0, 140.0, 99.0)
    row = latency(runs(*old), runs(*new), latency=5.0)
    assert row.change is not None
    assert row.change > 5
    assert (row.verdict, row.is_regression) == ("undecided", False)
    assert note(row) == "the repeats do not separate A and B"


def test_what_is_within_the_limit_is_the_same() -> None:
    """Also where the repeats show a difference: the limit says that it does not matter."""
    for new in (spread(103.0), (103.0, 102.0, 104.0, 99.0)):
        row = latency(SAME, runs(*new), latency=5.0)
        assert (row.verdict, row.is_regression, note(row)) == ("same", False, "within 5 %")
    assert latency(SAME, runs(*spread(103.0))).verdict == "worse"
    assert latency(SAME, runs(103.0, 102.0, 104.0, 99.0)).verdict == "undecided"


def test_the_more_rows_are_gated_the_more_repeats_are_needed() -> None:
    keys = [("latency", stat, *LATENCY[2:]) for stat in ("mean", "p50", "p95", "p99")]
    units = dict.fromkeys(keys, "ms")
    before, after = (
        [run(f"{n}", units=units, measured=dict.fromkeys(keys, Measured(value + n))) for n in range(4)]
        for value in (100.0, 200.0)
    )
    for name, verdict, needed in (("latency.p99", "worse", None), ("latency", "undecided", 5)):
        row = next(row for row in compare(before, after, {name: 5.0}, {}) if row.key == LATENCY)
        assert (row.verdict, row.repeats_needed) == (verdict, needed)
        assert row.p_adjusted == pytest.approx(2 / 70 * (1 if verdict == "worse" else 4))


def test_two_values_of_one_bucket_are_undecided_and_not_equal() -> None:
    bucket = (100.0, 250.0)
    for old, new in ((150.0, 150.0), (150.0, 200.0)):
        sides = [runs(*[Measured(value, bucket)] * 5) for value in (old, new)]
        row = latency(*sides, latency=5.0)
        assert (row.verdict, row.is_regression, note(row)) == ("undecided", False, "the bounds overlap")
        few = latency(sides[0][:4], sides[1][:4], **{"latency.p99": 5.0, "throughput": 5.0})
        assert note(few) == "at best 5 repeats on each side would decide, if the bounds did not overlap"
        exact = [runs(*[Measured(value, (value, value))] * 5) for value in (old, new)]
        assert latency(*exact, latency=5.0).verdict == ("same" if old == new else "worse")


def test_bounds_that_touch_overlap_and_those_apart_do_not() -> None:
    below = runs(*(Measured(value, (50.0, 100.0)) for value in spread(80.0)))
    touching = runs(*(Measured(value, (100.0, 250.0)) for value in spread(150.0)))
    apart = runs(*(Measured(value, (250.0, 500.0)) for value in spread(300.0)))
    row = latency(below, touching, latency=5.0)
    assert (row.verdict, row.bounds_overlap) == ("undecided", True)
    assert latency(below, apart, latency=5.0).verdict == "worse"
    assert latency(apart, below, latency=5.0).verdict == "better"


def test_above_the_highest_bucket_nothing_is_worse_than_it() -> None:
    open_above = runs(*(Measured(value, (100.0, math.inf)) for value in spread(100.0)))
    assert latency(open_above, runs(*spread(200.0)), latency=5.0).verdict == "undecided"
    assert latency(open_above, runs(*spread(50.0)), latency=5.0).verdict == "better"


def test_a_change_of_just_the_limit_is_not_beyond_it() -> None:
    for old, percent in ((100.0, 7.0), (377.85, 100.0), (0.3, 10.0), (1.1, 3.0)):
        for more, beyond in ((1, False), (1.001, True)):
            new = old * (1 + percent * more / 100)
            row = latency(runs(*[old] * 4), runs(*[new] * 4), latency=percent)
            assert row.is_regression == beyond


def test_throughput_is_better_when_higher_unless_asked_otherwise() -> None:
    after = [run(f"b{n}", measured={RATE: Measured(40.0)}) for n in range(4)]
    rate = next(row for row in compare(SAME, after, {}, {}) if row.key == RATE)
    assert (rate.change, rate.verdict) == (-20.0, "worse")
    rate = next(row for row in compare(SAME, after, {}, {"throughput.mean": "lower"}) if row.key == RATE)
    assert rate.verdict == "better"


def test_no_direction_no_verdict() -> None:
    key = ("cpu_util", "max", "session", "", "", "", "")
    count = ("latency", "count", "session", "", "", "", "")
    pair = [run(name, units={key: "%", count: ""}, measured=dict.fromkeys((key, count), Measured(value)))
            for name, value in (("a", 50.0), ("b", 60.0))]  # fmt: skip
    for row in compare(pair[:1], pair[1:], {"cpu_util": 1.0, "latency": 1.0}, {}):
        assert (row.change, row.verdict, row.limit, row.is_regression) == (20.0, None, None, False)


def test_a_missing_value_is_missing_and_never_0() -> None:
    row = latency([run("a")], [run("b", None)], latency=1.0)
    assert (row.after.values, row.after.missing, row.change, row.verdict) == ((), 1, None, None)
    assert not row.is_regression
    gone = latency([run("a")], [run("b", units={}, measured={})])
    assert (gone.after.median, gone.unit) == (None, "ms")
    assert ungated([row], {"latency": 1.0}) == ["latency has no value on one side"]


def test_from_zero_any_change_is_infinite() -> None:
    row = latency(runs(*[0.0] * 4), runs(*[1.0] * 4), latency=1e9)
    assert (row.change, row.is_regression) == (math.inf, True)
    assert latency([run("a", 0.0)], [run("b", 0.0)]).change == 0


def test_a_limit_holds_for_the_session_alone() -> None:
    node = ("latency", "p99", "node", "", "", "n1", "")
    before, after = (
        [run(f"{n}", units={node: "ms"}, measured={node: Measured(value)}) for n in range(4)]
        for value in (1.0, 2.0)
    )
    (row,) = compare(before, after, {"latency": 1.0}, {})
    assert (row.verdict, row.is_regression) == ("worse", False)


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, []),
        ({"seconds": 119.0}, []),
        ({"seconds": 121.0}, ["the windows are 60 s long in a and 121 s in b"]),
        ({"scrape_interval": 1.0}, ["the scrape interval is 5 s in a and 1 s in b"]),
        ({"scrape_interval": None}, ["the scrape interval is 5 s in a and unknown in b"]),
        ({"status": "truncated", "reasons": ("cut", "short")}, ["b is truncated: cut; short"]),
        ({"kpis": KPIS | {"latency": KPIS["latency"] | {"unit": "s", "help": "x"}}},
         ["latency is defined differently in b and a: unit"]),
        ({"kpis": KPIS | {"latency": KPIS["latency"] | {"match": 'a="b"'}}},
         ["latency is defined differently in b and a: match"]),
        ({"kpis": {}}, []),
        ({"targets": 3}, ["the number of targets is 2 in a and 3 in b"]),
        ({"targets": None}, []),
        ({"gpus": 4}, ["the number of GPUs is 8 in a and 4 in b"]),
        ({"intervals": {"web": frozenset((1.0, 5.0)), "db": frozenset((1.0,))}},
         ["web is scraped every 5 s in a and every 1 s or 5 s in b"]),
    ],
)  # fmt: skip
def test_what_is_not_comparable_is_listed(changes: dict[str, Any], problems: list[str]) -> None:
    first = run("a", targets=2, gpus=8, intervals={"web": frozenset((5.0,))})
    changes = {"targets": 2, "gpus": 8} | changes
    assert incomparable([first, run("b", **changes)]) == problems


def test_what_clients_reported_in_other_units_is_not_comparable() -> None:
    key = ("reported.ttft", "value", "session", "", "", "", "")
    pair = [run(name, units={key: unit}, measured={}) for name, unit in (("a", "ms"), ("b", "s"))]
    assert incomparable(pair) == ["reported.ttft is in ms in a and in s in b"]


def test_a_limit_that_holds_nothing_is_told() -> None:
    key = ("reported.ttft", "value", "session", "", "", "", "")
    pair = [run(name, units={key: "ms"}, measured={key: Measured(1.0)}) for name in "ab"]
    rows = compare(pair[:1], pair[1:], {}, {})
    (none, undirected) = ungated(rows, {"latncy": 1.0, "reported.ttft": 1.0})
    assert none == "there is no KPI latncy in the summaries"
    assert "no recipe says whether lower or higher" in undirected
    assert ungated(compare(pair[:1], pair[1:], {}, {"reported.ttft": "lower"}), {"reported.ttft": 1.0}) == []


FOLDER: dict[str, Any] = {
    "window": {"id": "w", "seconds": 60.0}, "status": "partial",
    "reasons": [{"code": "low_coverage", "message": "coverage"}],
    "prometheus": {"scrape_interval_seconds": 5.0},
}  # fmt: skip


def test_what_a_folder_says() -> None:
    row = dict(zip(("kpi", "stat", "scope", "client", "service", "node", "gpu"), LATENCY, strict=True))
    rows = [row | {"value": "inf", "unit": "ms"}, row | {"stat": "p50", "value": None, "unit": "ms"}]
    slo = verdict("met")
    found = run_of("f", FOLDER | {"slo": [slo | {"recipe": None}]}, {"kpis": {}, "rows": rows})
    assert found.slo == (slo,)
    with pytest.raises(KeyError):
        run_of("f", FOLDER | {"slo": [{}]}, {"kpis": {}, "rows": rows})
    assert found.measured == {
        LATENCY: Measured(math.inf),
        ("latency", "p50", *LATENCY[2:]): Measured(None),
    }
    assert (found.targets, found.gpus, found.intervals) == (None, 0, {})
    assert (found.seconds, found.scrape_interval, found.reasons) == (60.0, 5.0, ("coverage",))


ROW = dict(zip(("kpi", "stat", "scope", "client", "service", "node", "gpu"), LATENCY, strict=True))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"status": "ok", "reason": ""}, Measured(5.0)),
        ({"bucket_lo": None, "bucket_hi": None}, Measured(5.0)),
        ({"bucket_lo": 4.0, "bucket_hi": 8.0}, Measured(5.0, (4.0, 8.0))),
        ({"bucket_lo": 4.0, "bucket_hi": 8.0, "value_lo": 3.0, "value_hi": 9.0}, Measured(5.0, (3.0, 9.0))),
        ({"bucket_lo": 4.0, "bucket_hi": 8.0, "value_lo": None, "value_hi": None}, Measured(5.0, (4.0, 8.0))),
        ({"value_lo": 3.0, "value_hi": "inf"}, Measured(5.0, (3.0, math.inf))),
        ({"value_lo": 3.0, "value_hi": None}, Measured(5.0, (3.0, math.inf))),
        ({"value_lo": None, "value_hi": 9.0}, Measured(5.0, (-math.inf, 9.0))),
        ({"value_lo": 5.1, "value_hi": 6.0}, Measured(5.0, (5.0, 6.0))),  # rounded
        ({"status": "partial", "reason": "low_coverage"}, Measured(5.0, None, "partial: low_coverage")),
        ({"status": "ok", "reason": "not_certified"}, Measured(5.0, None, "not_certified")),
    ],
)
def test_a_rows_bounds_and_status(columns: dict[str, Any], expected: Measured) -> None:
    row = {**ROW, "value": 5.0, "unit": "ms", **columns}
    assert run_of("f", FOLDER, {"kpis": {}, "rows": [row]}).measured == {LATENCY: expected}


def test_a_folders_targets_and_gpus() -> None:
    targets = [{"job": "web", "interval_seconds": 1.0}, {"job": "web", "interval_seconds": None},
               {"job": "db", "interval_seconds": None}]  # fmt: skip
    places = (("gpu", "n1", "0"), ("gpu", "n1", "1"), ("gpu", "n2", "0"), ("node", "n3", ""))
    rows = [
        {**ROW, "kpi": kpi, "scope": scope, "node": node, "gpu": gpu, "value": 1.0, "unit": "%"}
        for kpi in ("gpu_util", "gpu_power")
        for scope, node, gpu in places
    ]
    found = run_of("f", FOLDER | {"targets": targets}, {"kpis": {}, "rows": rows})
    assert (found.targets, found.gpus) == (3, 3)
    assert found.intervals == {"web": {1.0, 5.0}, "db": {5.0}}


def forms(*, regression: bool) -> Comparison:
    low = Measured(99.0, (98.0, 99.5), "partial: low_coverage")
    before = tuple(runs(100.0, 101.0, 102.0, low, None))
    after = tuple(runs(150.0, 151.0, 152.0, 153.0))
    rows = compare(before, after, {"latency": 5.0} if regression else {}, {})
    return Comparison(before, after, tuple(rows), ("why <not>",))


def test_a_table_names_the_test_the_spread_and_the_bounds() -> None:
    found = forms(regression=True)
    lines = heading(found)
    assert any("Mann-Whitney U, exact, two-sided" in line for line in lines)
    assert "P_HOLM is P, corrected for 1 gated row" in lines
    assert "[lo, hi]: the true value is within" in lines
    row = dict(zip(COLUMNS, cells(found.rows[0]), strict=True))
    assert row["A"] == "100.5 (99 to 102) [100.5, 100.5], 1 missing"
    assert (row["CHANGE"], row["P"], row["P_HOLM"]) == ("+50.7 %", "0.0286", "0.0286")
    assert row["VERDICT"] == "REGRESSION beyond 5 %"
    assert row["NOTE"] == "A is partial: low_coverage (1 of 5 runs)"


def test_a_regression_of_a_partial_value_names_its_reason() -> None:
    (line,) = regression_lines(forms(regression=True))
    assert line == "latency.p99 is worse by 50.75 %, more than 5 %; A is partial: low_coverage (1 of 5 runs)"


def test_what_is_undecided_is_listed_with_what_would_decide() -> None:
    before, after = runs(100.0), runs(120.0)
    gated, free = (
        Comparison(tuple(before), tuple(after), tuple(compare(before, after, limits, {})))
        for limits in ({"latency": 5.0}, {})
    )
    nothing = "nothing was decided: no {} is shown to be better or worse (p <= 0.05)"
    changed = "undecided: latency.p99 changed by +20 %, the limit is 5 %"
    assert undecided_lines(gated) == [
        f"{changed}: at best 4 repeats on each side would decide",
        nothing.format("gated row"),
    ]
    assert undecided_lines(free) == [nothing.format("row")]
    assert set(undecided_lines(gated)) < set(heading(gated))
    assert undecided_lines(forms(regression=True)) == []
    suite = ET.fromstring(to_junit(gated))
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    parsed = json.loads(to_json(gated))
    assert (parsed["undecided"], parsed["regressions"]) == (["latency.p99"], [])
    assert (parsed["rows"][0]["verdict"], parsed["rows"][0]["repeats_needed"]) == ("undecided", 4)


def test_markdown_is_one_table() -> None:
    lines = to_markdown(forms(regression=False)).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert {line.count("|") for line in table} == {len(COLUMNS) + 1}


def test_junit_fails_what_is_a_regression_and_skips_what_is_missing() -> None:
    found = forms(regression=True)
    gone = run("b", None)
    suite = ET.fromstring(to_junit(found))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    failure = suite.find("testcase[@classname='latency']/failure")
    assert failure is not None
    assert "latency.p99 is worse by more than 5 %" in (failure.get("message") or "")
    skipping = Comparison((run("a"),), (gone,), tuple(compare([run("a")], [gone], {}, {})))
    suite = ET.fromstring(to_junit(skipping))
    assert suite.get("skipped") == "1"
    assert suite.find("testcase[@classname='latency']/skipped") is not None


def verdict(status: str) -> dict[str, Any]:
    return {
        "condition": "latency.p99 < 250 ms", "status": status, "value": 300.0, "limit": 250.0,
        "unit": "ms", "reason": "",
    }  # fmt: skip


def test_what_b_breached_fails_and_what_a_breached_is_no_fault_of_b() -> None:
    before, after = run("a", slo=(verdict("breached"),)), run("b", slo=(verdict("met"),))
    rows = tuple(compare([before], [after], {}, {}))
    mended, broken = Comparison((before,), (after,), rows), Comparison((after,), (before,), rows)
    assert (mended.breaches, len(broken.breaches)) == ((), 1)
    assert broken.breaches[0] == "latency.p99 < 250 ms (300 ms) in a"
    assert "slo breached: latency.p99 < 250 ms (300 ms) in a" in heading(mended)
    suites = [ET.fromstring(to_junit(found)) for found in (mended, broken)]
    assert [(suite.get("failures"), suite.get("skipped")) for suite in suites] == [("0", "1"), ("1", "0")]
    names = [case.get("name") for case in suites[0].findall("testcase[@classname='slo']")]
    assert names == ["latency.p99 < 250 ms in A, a", "latency.p99 < 250 ms in B, b"]
    assert json.loads(to_json(mended))["a"][0]["slo"][0]["status"] == "breached"


def test_json_has_every_row_and_null_for_what_is_missing() -> None:
    parsed = json.loads(to_json(forms(regression=True)), parse_constant=pytest.fail)
    (row, _) = parsed["rows"]
    assert row["a"] == {
        "median": 100.5, "min": 99.0, "max": 102.0, "values": [100.0, 101.0, 102.0, 99.0], "missing": 1,
        "lo": 100.5, "hi": 100.5, "bounds": [None, None, None, [98.0, 99.5]],
        "remarks": ["", "", "", "partial: low_coverage", ""],
    }  # fmt: skip
    assert (row["b"]["lo"], row["b"]["hi"]) == (None, None)
    assert (row["regression"], row["max_regression_percent"], row["bounds_overlap"]) == (True, 5.0, False)
    assert row["p"] == row["p_adjusted"] == pytest.approx(2 / 70)
    assert (parsed["regressions"], parsed["undecided"]) == (["latency.p99"], [])
    assert (parsed["gated_rows"], parsed["alpha"]) == (1, 0.05)
    assert (parsed["incomparable"], parsed["test"]) == (["why <not>"], "Mann-Whitney U, exact, two-sided")


VALUES = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=6)


@given(old=VALUES, new=VALUES, limit=st.floats(0, 100))
def test_whatever_the_values_a_regression_is_significant_and_beyond_the_limit(
    old: list[float | None], new: list[float | None], limit: float
) -> None:
    before, after = runs(*old), runs(*new)
    row = latency(before, after, latency=limit)
    assert row.before.missing == old.count(None)
    if row.is_regression:
        assert row.change is not None
        assert row.p_adjusted is not None
        assert row.change > limit
        assert row.p_adjusted <= 0.05
    opposite = {"better": "worse", "worse": "better", "same": "same", "undecided": "undecided", None: None}
    assert latency(after, before).verdict == opposite[latency(before, after).verdict]
    ET.fromstring(to_junit(Comparison(tuple(before), tuple(after), (row,))))
