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
    to_json,
    to_junit,
    to_markdown,
)
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
        {LATENCY: latency, RATE: 50.0},
    )  # fmt: skip
    return replace(found, **changes)


def latency(before: list[Run], after: list[Run], **limits: float) -> Compared:
    return next(row for row in compare(before, after, limits, {}) if row.key == LATENCY)


def test_a_change_in_percent_and_which_way_is_better() -> None:
    row = latency([run("a")], [run("b", 120.0)], latency=10.0)
    assert (row.change, row.verdict, row.is_regression) == (20.0, "worse", True)
    row = latency([run("a")], [run("b", 80.0)], latency=10.0)
    assert (row.change, row.verdict, row.is_regression) == (-20.0, "better", False)
    row = latency([run("a")], [run("b")], latency=0.0)
    assert (row.change, row.verdict, row.is_regression) == (0.0, "same", False)


def test_a_change_of_just_the_limit_is_none_beyond_it() -> None:
    for old, percent in ((100.0, 7.0), (377.85, 100.0), (0.3, 10.0), (1.1, 3.0)):
        row = latency([run("a", old)], [run("b", old * (1 + percent / 100))], latency=percent)
        assert not row.is_regression
        assert latency(
            [run("a", old)], [run("b", old * (1.001 + percent / 100))], latency=percent
        ).is_regression


def test_throughput_is_better_when_higher_unless_told_otherwise() -> None:
    after = run("b", values={RATE: 40.0})
    rate = next(row for row in compare([run("a")], [after], {}, {}) if row.key == RATE)
    assert (rate.change, rate.verdict) == (-20.0, "worse")
    rate = next(
        row for row in compare([run("a")], [after], {}, {"throughput.mean": "lower"}) if row.key == RATE
    )
    assert rate.verdict == "better"


def test_no_direction_no_verdict() -> None:
    key = ("cpu_util", "max", "session", "", "", "", "")
    count = ("latency", "count", "session", "", "", "", "")
    runs = [run(name, units={key: "%", count: ""}, values={key: value, count: value}) for name, value in
            (("a", 50.0), ("b", 60.0))]  # fmt: skip
    for row in compare(runs[:1], runs[1:], {"cpu_util": 1.0, "latency": 1.0}, {}):
        assert (row.change, row.verdict, row.limit, row.is_regression) == (20.0, None, None, False)


def test_a_missing_value_is_missing_and_never_0() -> None:
    row = latency([run("a")], [run("b", None)], latency=1.0)
    assert (row.after.values, row.after.missing, row.change, row.verdict) == ((), 1, None, None)
    assert not row.is_regression
    gone = latency([run("a")], [run("b", units={}, values={})])
    assert (gone.after.median, gone.unit) == (None, "ms")
    assert ungated([row], {"latency": 1.0}) == ["latency has no value on one side"]


def test_from_zero_any_change_is_infinite() -> None:
    row = latency([run("a", 0.0)], [run("b", 1.0)], latency=1e9)
    assert (row.change, row.is_regression) == (math.inf, True)
    assert latency([run("a", 0.0)], [run("b", 0.0)]).change == 0


def test_of_repeats_the_medians_and_whether_they_can_be_told_apart() -> None:
    old = [run(f"a{n}", value) for n, value in enumerate((100.0, 104.0, 102.0))]
    worse = [run(f"b{n}", value) for n, value in enumerate((110.0, 120.0, 130.0))]
    row = latency(old, worse, **{"latency.p99": 5.0})
    assert row.test is not None
    assert (row.before.median, row.after.median) == (102.0, 120.0)
    assert row.test.p == pytest.approx(0.1)
    assert (row.verdict, row.is_regression) == ("worse", True)
    noise = [run(f"b{n}", value) for n, value in enumerate((101.0, 120.0, 130.0))]
    row = latency(old, noise, latency=5.0)
    assert (row.change is not None and row.change > 5, row.verdict, row.is_regression) == (
        True,
        "same",
        False,
    )


def test_a_limit_holds_for_the_session_alone() -> None:
    node = ("latency", "p99", "node", "", "", "n1", "")
    runs = [run(name, units={node: "ms"}, values={node: value}) for name, value in (("a", 1.0), ("b", 2.0))]
    (row,) = compare(runs[:1], runs[1:], {"latency": 1.0}, {})
    assert (row.verdict, row.is_regression) == ("worse", False)


@pytest.mark.parametrize(
    ("changes", "told"),
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
    ],
)  # fmt: skip
def test_what_is_not_comparable_is_told_with_why(changes: dict[str, Any], told: list[str]) -> None:
    assert incomparable([run("a"), run("b", **changes)]) == told


def test_what_clients_reported_in_other_units_is_not_comparable() -> None:
    key = ("reported.ttft", "value", "session", "", "", "", "")
    runs = [run(name, units={key: unit}, values={key: 1.0}) for name, unit in (("a", "ms"), ("b", "s"))]
    assert incomparable(runs) == ["reported.ttft is in ms in a and in s in b"]


def test_a_limit_that_holds_nothing_is_told() -> None:
    key = ("reported.ttft", "value", "session", "", "", "", "")
    runs = [run(name, units={key: "ms"}, values={key: 1.0}) for name in "ab"]
    rows = compare(runs[:1], runs[1:], {}, {})
    (none, undirected) = ungated(rows, {"latncy": 1.0, "reported.ttft": 1.0})
    assert none == "there is no KPI latncy in the summaries"
    assert "no recipe says whether lower or higher" in undirected
    assert ungated(compare(runs[:1], runs[1:], {}, {"reported.ttft": "lower"}), {"reported.ttft": 1.0}) == []


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
    assert found.values == {LATENCY: math.inf, ("latency", "p50", *LATENCY[2:]): None}
    assert (found.seconds, found.scrape_interval, found.reasons) == (60.0, 5.0, ("coverage",))


def forms(*, regression: bool) -> Comparison:
    before = tuple(run(f"a{n}", value) for n, value in enumerate((100.0, 101.0, None)))
    after = tuple(run(f"b{n}", value) for n, value in enumerate((150.0, 151.0, 152.0)))
    rows = compare(before, after, {"latency": 5.0} if regression else {}, {})
    return Comparison(before, after, tuple(rows), ("why <not>",))


def test_a_table_names_the_test_and_the_spread() -> None:
    found = forms(regression=True)
    assert any("Mann-Whitney U, exact, two-sided" in line for line in heading(found))
    row = dict(zip(COLUMNS, cells(found.rows[0]), strict=True))
    assert row["A"] == "100.5 (100 to 101), 1 missing"
    assert (row["CHANGE"], row["P"], row["VERDICT"]) == ("+50.2 %", "0.2", "REGRESSION beyond 5 %")


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
    told = json.loads(to_json(forms(regression=True)), parse_constant=pytest.fail)
    (row, _) = told["rows"]
    assert row["a"] == {"median": 100.5, "min": 100.0, "max": 101.0, "values": [100.0, 101.0], "missing": 1}
    assert (row["regression"], row["max_regression_percent"], told["regressions"]) == (
        True,
        5.0,
        ["latency.p99"],
    )
    assert (told["incomparable"], told["test"]) == (["why <not>"], "Mann-Whitney U, exact, two-sided")


VALUES = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=4)


@given(old=VALUES, new=VALUES, limit=st.floats(0, 100))
def test_whatever_the_values_a_regression_is_worse_by_more_than_the_limit(
    old: list[float | None], new: list[float | None], limit: float
) -> None:
    before = [run(f"a{n}", value) for n, value in enumerate(old)]
    after = [run(f"b{n}", value) for n, value in enumerate(new)]
    row = latency(before, after, latency=limit)
    assert row.before.missing == old.count(None)
    back = latency(after, before, latency=limit)
    opposite = {"better": "worse", "worse": "better", "same": "same", None: None}
    assert back.verdict == opposite[row.verdict]
    if row.is_regression:
        assert row.change is not None
        assert row.change > limit
    ET.fromstring(to_junit(Comparison(tuple(before), tuple(after), (row,))))
