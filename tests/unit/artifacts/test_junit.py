"""Windows and their conditions as test cases."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts.junit import Case, slo_cases, slo_text, to_junit, window_junit


def result(status: str, value: float | str | None = 300.0, reason: str = "") -> dict[str, Any]:
    return {
        "condition": "latency.p99 < 250 ms", "status": status, "value": value, "limit": 250.0, "unit": "ms",
        "reason": reason, "recipe": None,
    }  # fmt: skip


def test_a_condition_is_a_case_failed_when_breached_and_skipped_with_its_reason_when_unknown() -> None:
    met, breached, unknown = slo_cases(
        [result("met", 3.0), result("breached"), result("unknown", None, "metric_absent")], " in B"
    )
    assert met.name == "latency.p99 < 250 ms in B"
    assert [case.outcome for case in (met, breached, unknown)] == ["passed", "failure", "skipped"]
    assert breached.detail == "breached: latency.p99 < 250 ms (300 ms)"
    assert unknown.detail == "unknown: latency.p99 < 250 ms (metric_absent)"


def test_an_infinite_value_is_told_as_it_is_published() -> None:
    assert slo_text(result("breached", "inf")) == "latency.p99 < 250 ms (inf ms)"


@pytest.mark.parametrize(
    ("status", "outcome"), [("complete", "system-out"), ("partial", "error"), ("failed", "error")]
)
def test_a_window_is_a_case_of_its_own(status: str, outcome: str) -> None:
    reasons = [] if status == "complete" else [{"code": "low_coverage", "message": "few scrapes"}]
    manifest = {
        "window": {"id": "w", "from": "a", "to": "b"}, "status": status, "reasons": reasons,
        "slo": [result("breached"), result("met")],
    }  # fmt: skip
    suite = ET.fromstring(window_junit(manifest))
    assert suite.find(f"testcase[@classname='window']/{outcome}") is not None
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {
        "tests": "3", "failures": "1", "errors": "0" if status == "complete" else "1", "skipped": "0",
    }  # fmt: skip


outcomes = st.sampled_from(["passed", "failure", "error", "skipped"])


@given(st.lists(st.builds(Case, st.text(), st.text(), outcomes, st.text())), st.lists(st.text()))
def test_whatever_is_said_it_is_xml_and_its_counts_are_right(found: list[Case], said: list[str]) -> None:
    suite = ET.fromstring(to_junit("s", found, said))
    for name in ("failure", "error", "skipped"):
        counted = suite.get("skipped" if name == "skipped" else f"{name}s")
        assert counted == str(len(suite.findall(f"testcase/{name}")))
    assert suite.get("tests") == str(len(suite.findall("testcase"))) == str(len(found))
