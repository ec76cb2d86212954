"""Lines of Prometheus's log that repeat."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.child import repeats
from monitord.prometheus.child.repeats import PERIOD_SECONDS, Repeats


def line(number: int, text: str = "level=warn msg=dropped", key: str = "ts") -> str:
    return f"{key}=2026-01-01T00:00:{number:02}Z {text}"


def test_a_line_that_differs_in_its_time_alone_is_written_once_then_counted() -> None:
    log = Repeats()
    written = [text for number in range(60) for text in log.take(line(number), float(number))]
    assert written == [line(0)]
    assert list(log.take(line(59, "other"), PERIOD_SECONDS)) == [f"{line(59)} repeated=59", line(59, "other")]
    assert list(log.take(line(1), PERIOD_SECONDS + 1)) == [line(1)], (
        "a new period begins with the line itself"
    )


def test_what_was_not_repeated_is_not_counted() -> None:
    log = Repeats()
    for number in range(3):
        assert list(log.take(line(number, f"msg={number}", "time"), 0.0)) == [
            line(number, f"msg={number}", "time")
        ]
    assert list(log.end()) == []


def test_what_is_no_logfmt_is_left_alone() -> None:
    log = Repeats()
    trace = ["panic: out of memory", "goroutine 1 [running]:", "goroutine 1 [running]:", ""]
    assert [text for each in trace for text in log.take(each, 0.0)] == trace


def test_so_many_different_lines_are_remembered_at_most(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(repeats, "MOST_LINES", 2)
    log = Repeats()
    texts = [line(0, f"msg={number % 3}") for number in range(6)]
    assert [text for each in texts for text in log.take(each, 0.0)] == [*texts[:3], texts[5]]


steps = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 400.0)), max_size=60)


@given(steps)
def test_every_line_is_written_or_counted(history: list[tuple[str, float]]) -> None:
    log, now, written = Repeats(), 0.0, list[str]()
    for text, pause in history:
        now += pause
        written += log.take(line(0, f"msg={text}"), now)
    written += log.end()
    counts: Counter[str] = Counter()
    for each in written:
        text, _, count = each.partition(" repeated=")
        counts[text] += int(count or 1)
    assert counts == Counter(line(0, f"msg={text}") for text, _ in history)
