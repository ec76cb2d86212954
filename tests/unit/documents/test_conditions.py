"""SLO conditions: what is one, and what a text that is none is told."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from monitord.documents.conditions import OPERATORS, ConditionText, Measure, misfit, parse_condition

MEASURES = {
    "latency.p99": Measure("ms", ("session", "service")),
    "latency.mean": Measure("ms", ("session", "service")),
    "throughput.mean": Measure("requests/s", ("session",)),
}
SCHEMA = TypeAdapter(ConditionText).json_schema()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("latency.p99 < 250 ms", ("latency", "p99", "session", {}, "<", 250.0, "ms")),
        ("latency.p99.9<=.25s", ("latency", "p99.9", "session", {}, "<=", 0.25, "s")),
        ("throughput.mean >= 1e2", ("throughput", "mean", "session", {}, ">=", 100.0, "")),
        ("coverage > 95 %", ("coverage", "value", "session", {}, ">", 95.0, "%")),
        ("reported.t.tft <= 0.3 s", ("reported.t.tft", "value", "session", {}, "<=", 0.3, "s")),
        ('a.max{service="v"} < 1', ("a", "max", "service", {"service": "v"}, "<", 1.0, "")),
        ('a.max{ gpu = "0", node="n" } < 1', ("a", "max", "gpu", {"gpu": "0", "node": "n"}, "<", 1.0, "")),
        ('a.max{client="c"} < -1 J/request', ("a", "max", "client", {"client": "c"}, "<", -1.0, "J/request")),
    ],
)
def test_a_condition(text: str, parts: tuple[object, ...]) -> None:
    found = parse_condition(text)
    assert (
        found.kpi, found.stat, found.scope, dict(found.labels), found.operator, found.limit, found.unit
    ) == parts  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected KPI.STAT at character 1, found its end"),
        ("x < 1", "expected KPI.STAT at character 1"),
        ("latency.p99 250 ms", "expected one of < <= > >= at character 13, found '250 ms'"),
        ("latency.p99 =< 250", "write <="),
        ("latency.p99 == 250", "write <= or >="),
        ("latency.p99 < fast", "expected a number at character 15, found 'fast'"),
        ("latency.p99 < 250 ms and more", "expected nothing more at character 22, found 'and more'"),
        ("latency.p99{node=n} < 1", "expected one of"),
        ("latency.p99 < 1e999", "is too large"),
        ('latency.p99{rack="1"} < 1', "rack is not a scope label"),
        ('latency.p99{client="a",node="b"} < 1', "client and node cannot be combined in a scope"),
        ("coverage >= 95 ms", "coverage is in ratio, and ms cannot be converted to it"),
        ('a.max{node="1",node="2"} > 1', "has the same label twice"),
        ('coverage{gpu="0"} > 1', "per target, not per gpu"),
        ('reported.x{node="0"} > 1', "is for the whole session"),
    ],
)
def test_what_is_none_is_told_where(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_condition(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("latency.p99 < 1 s", ""),
        ("coverage > 0.5", ""),
        ("reported.anything < 1 parsec", ""),
        (
            "latency.p99 < 1 msec",
            "latency.p99 is in ms, and msec cannot be converted to it; did you mean ms?",
        ),
        ("latency.p99 < 1 B", "latency.p99 is in ms, and B cannot be converted to it"),
        ("latncy.p99 < 1", "there is no KPI latncy; did you mean latency.p99?"),
        ('latency.p99{service="x"} < 1 s', ""),
        ('latency.p99{gpu="0"} < 1 s', "latency has no rows per gpu; add it to `by` in its recipe"),
        ("latency.p50 < 1", "latency has no stat p50; it has p99, mean"),
    ],
)
def test_a_condition_that_no_kpi_can_decide(text: str, told: str) -> None:
    found = misfit(parse_condition(text), MEASURES)
    assert found.startswith(told) if told else not found


@given(st.text(alphabet='latency.p9{}<>= "0ms%/,e-reportdcoveragnclient', max_size=40))
def test_any_text_is_a_condition_or_refused_and_the_schema_takes_what_is_one(text: str) -> None:
    try:
        parse_condition(text)
    except ValueError:
        return
    assert re.search(SCHEMA["pattern"], text)


@given(
    measure=st.sampled_from(["coverage", "a.p99", 'a.max{node="n"}', "reported.x"]),
    comparison=st.sampled_from(sorted(OPERATORS)),
    limit=st.floats(allow_nan=False, allow_infinity=False),
)
def test_the_number_is_read_exactly(measure: str, comparison: str, limit: float) -> None:
    found = parse_condition(f"{measure} {comparison} {limit!r}")
    assert (found.operator, found.limit) == (comparison, limit)
    assert found.holds(limit, limit) == ("=" in comparison)
