"""The verdict on a window."""

from dataclasses import replace
from typing import Any

from monitord.collect.coverage import TargetCoverage
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.stall import Stall
from monitord.collect.verdict import Reason, judge
from monitord.prometheus.child.outages import Outage
from monitord.windows.model import Window

REQUEST = CollectionRequest("s", Window("w", 0.0, 100.0), (), 5.0, 0.95, ())


def target(successes: int, **changes: Any) -> TargetCoverage:
    facts: dict[str, Any] = {
        "job": "j", "instance": "i:1", "client": "c", "service": "", "node": "n",
        "expected_scrapes": 20, "scrapes": 20, "successes": successes, "up_ratio": successes / 20,
        "longest_gap_s": 5.0, "resets": None, "first_seen": None, "last_seen": None,
        "declared": True,
    }  # fmt: skip
    return TargetCoverage(**facts | changes)


def codes(*targets: TargetCoverage, truncated: bool = False, extra: Any = ()) -> tuple[str, list[str]]:
    window = Window("w", 0.0, 100.0, truncated=truncated)
    request = CollectionRequest("s", window, (), 5.0, 0.95, ())
    status, reasons = judge(request, targets, extra)
    return status, [reason.code for reason in reasons]


def test_a_window_with_all_its_scrapes_is_complete() -> None:
    assert codes(target(20), target(19)) == ("complete", [])


def test_a_target_below_the_coverage_wanted_makes_it_partial() -> None:
    status, reasons = judge(REQUEST, [target(20), target(18, instance="i:2")])
    assert status == "partial"
    assert reasons == (
        Reason("low_coverage", "coverage below 0.95: j i:2 of c (18 of 20 scrapes; 2 failed)"),
    )


def test_absent_down_and_low_are_told_apart_worst_first() -> None:
    absent = target(0, scrapes=0, up_ratio=None, instance="a:1")
    down = target(0, instance="d:1")
    assert codes(target(10), down, absent, target(20)) == (
        "partial",
        ["target_absent", "target_down", "low_coverage"],
    )


def test_the_last_scrapes_of_a_withdrawn_target_do_not_make_the_window_short() -> None:
    withdrawn = target(2, expected_scrapes=2, scrapes=2, declared=False, instance="w:1")
    assert codes(target(20), withdrawn) == ("complete", [])
    assert codes(target(2, expected_scrapes=2, scrapes=2)) == ("partial", ["window_too_short"])


def test_nothing_scraped_is_failed_also_when_truncated() -> None:
    assert codes(target(0), truncated=True) == ("failed", ["target_down", "window_truncated"])
    assert codes() == ("failed", ["no_targets"])


def test_unknown_coverage_of_declared_targets_is_not_no_targets() -> None:
    declared = (ExpectedTarget("http://x/metrics", {}, 5.0),)
    request = CollectionRequest("s", Window("w", 0.0, 100.0), declared, 5.0, 0.95, ())
    failure = Reason("query_failed", "coverage: timeout")
    assert judge(request, (), [failure]) == ("failed", (failure,))


def test_a_truncated_window() -> None:
    assert codes(target(20), truncated=True) == ("truncated", ["window_truncated"])


def test_a_window_too_short_for_rates() -> None:
    short = target(3, expected_scrapes=3, scrapes=3)
    assert codes(short) == ("partial", ["window_too_short"])
    assert codes(target(4, expected_scrapes=4, scrapes=4)) == ("complete", [])


def test_what_the_caller_adds_counts_and_unknown_codes_rank_last() -> None:
    extra = [Reason("new_code", "x"), Reason("settle_timeout", "y"), Reason("settle_timeout", "y")]
    assert codes(target(20), extra=extra) == ("partial", ["settle_timeout", "new_code"])


def test_an_outage_is_a_reason_where_it_cost_scrapes_or_the_last_of_them() -> None:
    outage = Outage(90.0, 120.0, "prometheus_exited")
    request = replace(REQUEST, outages=(outage,))
    settling = Reason("settle_timeout", "x")
    told = "Prometheus did not store scrapes: prometheus_exited from 1970-01-01T00:01:30"
    for targets, extra in (([target(19)], ()), ([target(20)], (settling,))):
        status, reasons = judge(request, targets, extra)
        assert status == "partial"
        assert any(reason.message.startswith(told) for reason in reasons)
    assert judge(request, [target(20)]) == ("complete", ())


def test_of_many_targets_a_few_are_named() -> None:
    many = [target(0, scrapes=0, instance=f"i:{n}") for n in range(9)]
    _, reasons = judge(REQUEST, many)
    assert reasons[0].message.endswith("i:4 of c and 4 more")


def stalled(*targets: TargetCoverage, end: float | None = 50.0) -> list[str]:
    _, reasons = judge(replace(REQUEST, stalls=(Stall(20.0, end),)), targets)
    return [reason.message for reason in reasons if reason.code == "session_folder_stalled"]


def test_a_session_folder_that_hung_is_a_reason_only_where_scrapes_were_not_made() -> None:
    assert stalled(target(20, first_seen=5.0)) == []
    assert stalled(target(10, first_seen=50.0)) == [], "they were made, and failed"
    assert stalled(target(14, scrapes=14, first_seen=5.0)) == [], "it was scraped before"
    [message] = stalled(target(14, scrapes=14, first_seen=51.0), target(20, first_seen=5.0))
    assert message == (
        "the session folder did not answer from 1970-01-01T00:00:20.000Z to 1970-01-01T00:00:50.000Z; "
        "6 scrapes of the window were not made"
    )
    [message] = stalled(target(0, scrapes=0, first_seen=None), end=None)
    assert "from 1970-01-01T00:00:20.000Z; 20 scrapes" in message


def test_a_stall_touches_what_it_overlaps() -> None:
    for stall in (Stall(10.0, 20.0), Stall(10.0, None)):
        assert stall.touches(0.0, 11.0)
        assert not stall.touches(0.0, 10.0)
    assert not Stall(10.0, 20.0).touches(20.0, 30.0)
    assert Stall(10.0, None).ended(12.0) == Stall(10.0, 12.0)
