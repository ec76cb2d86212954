"""What the markers of a window ask for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.windows.lifecycle import (
    TERMINAL,
    Answered,
    Decision,
    Due,
    Ended,
    Open,
    Outcome,
    Published,
    State,
    counted,
    decide,
    truncate,
)
from monitord.windows.markers import Marker, read_marker
from monitord.windows.model import Window

T = 1_700_000_000.0
LATER = T + 10_000


def marker(kind: str, at: float, content: str = "", uid: int = 7) -> Marker:
    moment = T + at
    return read_marker(f"r.{kind}", moment, int(moment * 1e9), content.encode(), uid=uid)


def markers(*items: Marker) -> dict[str, Marker]:
    return {item.kind: item for item in items}


def window_of(decision: Decision) -> Window:
    assert isinstance(decision, Due), decision
    return decision.window


def answer(decision: Decision) -> Outcome | None:
    """Return the outcome that following a decision leads to."""
    match decision:
        case Due(window):
            return Outcome(State.DONE, window.markers)
        case Ended(outcome):
            return outcome
        case _:
            return None


START, STOP = marker("start", 0), marker("stop", 60)


def test_a_start_opens_and_a_stop_closes() -> None:
    assert decide(markers(START), None, LATER) == Open(T)
    window = window_of(decide(markers(START, STOP), None, LATER))
    assert (window.id, window.start, window.end, window.truncated) == ("r", T, T + 60, False)
    assert window.markers == {"r.start": START.modified_ns, "r.stop": STOP.modified_ns}


def test_the_stop_marker_is_laid_over_the_start_marker() -> None:
    start = marker("start", 0, "labels: {a: '1', b: '1'}\nrecipes: [node]\nslo: [a.mean < 1]\n")
    stop = marker("stop", 60, "labels: {b: '2'}\nslo: [a.mean < 2]\nresults: {total: 5}\n")
    window = window_of(decide(markers(start, stop), None, LATER))
    assert (window.labels, window.recipes, window.slo) == (
        {"a": "1", "b": "2"},
        ("node",),
        ("a.mean < 1", "a.mean < 2"),
    )
    assert window.reported["total"].value == 5


def test_warm_up_and_cool_down_are_not_measured() -> None:
    start, stop = marker("start", 0, "warmup: 10s\ncooldown: 1s\n"), marker("stop", 60, "cooldown: 5s\n")
    window = window_of(decide(markers(start, stop), None, LATER))
    assert (window.start, window.end) == (T, T + 60)
    assert window.measured() == (T + 10, T + 55)
    # A recipe's own may be longer.
    assert window.measured(20, 1) == (T + 20, T + 55)
    past = marker("yaml", 0, f"from: {T}\nto: {T + 100}\nwarmup: 1m\ncooldown: 40s")
    window = window_of(decide(markers(past), None, LATER))
    assert window.is_all_warmup
    assert window.measured() == (T, T + 100)


def test_moments_still_to_come_are_waited_for() -> None:
    stop = marker("stop", 5, f"at: {T + 100}")
    decision = decide(markers(START, stop), None, T + 50)
    assert decision == Open(
        T, T + 100, "r.stop gives a time in the future; wait until then, or write the file again"
    )
    assert window_of(decide(markers(START, stop), None, T + 100)).end == T + 100
    past = marker("yaml", 0, f"from: {T}\nto: {T + 100}")
    assert decide(markers(past), None, T + 50) == Open(T, T + 100, "its end is in the future")
    assert window_of(decide(markers(past), None, T + 100)).start == T


@pytest.mark.parametrize("stop", [[], [marker("stop", 5)], [marker("stop", 200)]])
def test_a_start_still_to_come_is_said_to_be_whatever_the_stop(stop: list[Marker]) -> None:
    decision = decide(markers(marker("start", 100), *stop), None, T + 50)
    assert decision == Open(
        T + 100, None, "r.start gives a time in the future; wait until then, or write the file again"
    )
    assert decide(markers(marker("start", 100)), None, T + 100) == Open(T + 100)


def test_a_stop_older_than_the_start_closes_nothing() -> None:
    decision = decide(markers(marker("start", 60), marker("stop", 0)), None, LATER)
    assert decision == Open(T + 60, None, "r.stop is older than r.start; touch it again to close the window")


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([STOP], "r.stop exists without r.start"),
        ([START, marker("stop", 0)], "r.start and r.stop give the same time"),
        ([START, marker("stop", 60, "lables: {}")], "r.stop:1:1: lables: unknown key; did you mean labels?"),
        ([marker("start", 0, "[")], "r.start:1:2: not valid YAML"),
        ([START, marker("yaml", 0, f"from: {T}\nto: {T + 1}")], "both r.yaml and r.start exist"),
        ([marker("yaml", 0)], "r.yaml:1:1: the file is empty"),
        ([START, marker("cancel", 5, "- x")], "r.cancel:1:1: expected keys and values, found a list"),
    ],
)
def test_what_cannot_be_measured_fails_with_a_reason(items: list[Marker], reason: str) -> None:
    decision = decide(markers(*items), None, LATER)
    assert isinstance(decision, Ended)
    assert decision.outcome.state is State.FAILED
    assert decision.reason.startswith(reason)


# --- cancel


def cancelled(*items: Marker) -> bool:
    decision = decide(markers(*items), None, LATER)
    return isinstance(decision, Ended) and decision.outcome.state is State.CANCELLED


def test_a_cancel_ends_an_open_window() -> None:
    assert cancelled(START, marker("cancel", 30))
    assert cancelled(START, marker("cancel", 30), marker("stop", 60))  # the stop came after
    assert cancelled(marker("cancel", 30))


def test_a_cancel_does_nothing_to_a_window_that_was_closed_before() -> None:
    window_of(decide(markers(START, STOP, marker("cancel", 61)), None, LATER))
    done = Outcome(State.DONE, {"r.start": START.modified_ns, "r.stop": STOP.modified_ns})
    for content in ("", "garbage"):
        assert decide(markers(START, STOP, marker("cancel", 61, content)), done, LATER) == Answered()


def test_a_window_started_anew_is_not_cancelled_by_an_old_cancel() -> None:
    decision = decide(markers(marker("start", 40), marker("cancel", 30)), None, LATER)
    assert decision == Open(T + 40)


def test_a_past_window_cannot_be_cancelled() -> None:
    past = marker("yaml", 0, f"from: {T}\nto: {T + 1}")
    window_of(decide(markers(past, marker("cancel", 30)), None, LATER))


# --- whose markers count

DAEMON, MINE, THEIRS = 5, 7, 9
PAST = f"from: {T}\nto: {T + 1}"


def counting(*items: Marker, published: Published | None = None) -> set[str]:
    found = counted(markers(*items), DAEMON, published)
    assert len(found.markers) + len(found.ignored) == len(items)
    return {item.file for item in found.markers.values()}


def test_the_owner_of_the_start_marker_and_the_daemons_user_close_and_cancel() -> None:
    for uid in (MINE, DAEMON):
        for kind in ("stop", "cancel", "yaml"):
            assert counting(START, marker(kind, 60, uid=uid)) == {"r.start", f"r.{kind}"}
    for kind in ("stop", "cancel", "yaml"):
        assert counting(START, marker(kind, 60, uid=THEIRS)) == {"r.start"}


def test_why_a_marker_does_not_count() -> None:
    strays = [marker(kind, 60, uid=THEIRS) for kind in ("yaml", "cancel")]
    assert counted(markers(START, *strays), DAEMON).ignored == (
        "r.cancel is ignored: it belongs to uid 9, but the window to uid 7",
        "r.yaml is ignored: it belongs to uid 9, but the window to uid 7",
    )


def test_anybody_may_ask_for_a_past_window_and_nobody_else_disturbs_it() -> None:
    past = marker("yaml", 0, PAST, THEIRS)
    assert counting(past) == {"r.yaml"}
    for kind in ("stop", "cancel"):
        assert counting(past, marker(kind, 60)) == {"r.yaml"}
    assert counting(past, START) == {"r.start"}  # whoever starts a window owns it


def test_whose_artifacts_are_there_stays_the_owner_while_their_marker_is_there() -> None:
    past = marker("yaml", 0, PAST)
    published = Published({"r.yaml": past.modified_ns}, MINE)
    for again in (past, marker("yaml", 90, PAST)):
        for kind in ("start", "stop", "cancel"):
            assert counting(again, marker(kind, 60, uid=THEIRS), published=published) == {"r.yaml"}
    assert counting(marker("start", 60, uid=THEIRS), published=published) == {"r.start"}  # the name is free


def test_what_an_owner_left_behind_is_neither_closed_nor_cancelled_by_others() -> None:
    done = Published({"r.start": 1, "r.stop": 2}, MINE)
    stray = marker("stop", 60, uid=THEIRS)
    assert counting(stray, published=done) == set()
    assert decide({}, None, LATER, done) == Answered(by_artifacts=True)
    assert counting(STOP, published=done) == counting(stray) == {"r.stop"}


def test_a_window_that_another_user_closed_can_be_opened_by_its_owner_again() -> None:
    done = Published({"r.start": START.modified_ns, "r.stop": STOP.modified_ns}, MINE)
    closed = marker("stop", 60, uid=DAEMON)
    assert counting(marker("start", 90), closed, published=done) == {"r.start", "r.stop"}


def test_a_window_has_the_owner_of_what_opened_it() -> None:
    assert window_of(decide(markers(START, STOP), None, LATER)).owner_uid == MINE
    past = marker("yaml", 0, PAST, THEIRS)
    assert window_of(decide(markers(past), None, LATER)).owner_uid == THEIRS


# --- what artifacts answer


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_what_artifacts_answer_is_done_whatever_was_decided_for_a_marker_that_has_gone(state: State) -> None:
    stamps = {"r.start": START.modified_ns, "r.stop": STOP.modified_ns}
    published = Published(stamps, MINE)
    after = Outcome(state, {**stamps, "r.yaml": 1})
    assert decide(markers(START, STOP), after, LATER, published) == Answered(by_artifacts=True)
    assert decide(markers(START, STOP), None, LATER, published) == Answered(by_artifacts=True)
    newer = markers(START, marker("stop", 90))
    assert window_of(decide(newer, after, LATER, published)).seconds == 90


# --- truncation


def test_an_open_window_is_closed_now() -> None:
    window = truncate(markers(START), T + 30)
    assert window is not None
    assert (window.start, window.end, window.truncated) == (T, T + 30, True)
    assert window.markers == {"r.start": START.modified_ns}


@pytest.mark.parametrize("items", [[], [marker("start", 60)], [marker("start", 0, "[")], [STOP]])
def test_what_has_not_begun_is_not_truncated(items: list[Marker]) -> None:
    assert truncate(markers(*items), T + 30) is None


def test_a_stop_after_a_truncation_asks_for_the_whole_window() -> None:
    window = truncate(markers(START), T + 30)
    assert window is not None
    done = Outcome(State.DONE, window.markers)
    assert decide(markers(START), done, LATER) == Answered()
    assert window_of(decide(markers(START, STOP), done, LATER)).end == T + 60


# --- any markers

contents = st.sampled_from(["", "", "", f"at: {T + 15}", f"from: {T}\nto: {T + 25}", "\t", "labels: {a: b}"])
any_marker = st.builds(
    marker, st.sampled_from(["start", "stop", "cancel", "yaml"]), st.integers(0, 40), contents
)
any_markers = st.lists(any_marker, min_size=1, max_size=4).map(lambda items: markers(*items))


@given(any_markers, st.integers(0, 60))
def test_what_was_answered_is_left_alone(present: dict[str, Marker], now: int) -> None:
    decision = decide(present, None, T + now)
    assert decide(present, None, T + now) == decision
    outcome = answer(decision)
    if outcome is not None:
        assert outcome.state in TERMINAL
        assert decide(present, outcome, T + now) == Answered()
        assert decide(present, outcome, LATER) == Answered()


@given(any_markers)
def test_in_the_end_a_window_is_open_for_its_client_or_has_one_outcome(present: dict[str, Marker]) -> None:
    decision = decide(present, None, LATER)
    assert not isinstance(decision, Answered)
    if isinstance(decision, Open):
        assert decision.until is None
        assert "start" in present
    if isinstance(decision, Due):
        assert decision.window.start < decision.window.end <= LATER


@given(any_markers, any_marker)
def test_a_stray_marker_of_another_user_changes_nothing(present: dict[str, Marker], stray: Marker) -> None:
    outcome = answer(decide(present, None, LATER))
    if not {"start", "yaml"} & present.keys() or stray.kind in present or outcome is None:
        return
    done = Published(outcome.markers, MINE) if outcome.state is State.DONE else None
    if done is None and stray.kind == "start":
        return  # another window, of another owner
    with_stray = {**present, stray.kind: replace(stray, uid=THEIRS)}
    assert counted(with_stray, DAEMON, done).markers == present


@given(any_markers, st.sampled_from(["start", "stop", "yaml"]))
def test_a_newer_marker_is_never_taken_for_answered(present: dict[str, Marker], kind: str) -> None:
    outcome = answer(decide(present, None, LATER))
    if outcome is None or kind not in present:
        return
    again = {**present, kind: marker(kind, 500)}
    assert not isinstance(decide(again, outcome, LATER), Answered)


@given(any_markers)
def test_deleting_markers_of_an_answered_window_asks_for_nothing(present: dict[str, Marker]) -> None:
    decision = decide(present, None, LATER)
    outcome = answer(decision)
    if outcome is None or "cancel" in present:
        return
    for kind in present:
        fewer = {name: item for name, item in present.items() if name != kind}
        if fewer:
            assert decide(fewer, outcome, LATER) == Answered()


# --- any history

PERIOD = 5.0  # between two events
histories = st.lists(
    st.tuples(
        st.sampled_from(["start", "stop", "cancel", "yaml", "garbage", "delete", "look"]), st.integers(-2, 2)
    ),
    max_size=25,
)


class History:
    """One window as it lies on disk: its markers, and what was answered last."""

    def __init__(self) -> None:
        self.now = T
        self.present: dict[str, Marker] = {}
        self.outcome: Outcome | None = None
        self.answered: list[dict[str, int]] = []

    def follow(self, event: str, ahead: float) -> None:
        """Let something happen; markers may be dated ahead, or behind."""
        self.now += PERIOD
        if event == "delete":
            self.present.pop(next(iter(self.present), ""), None)
        elif event == "look":
            self.look()
        else:
            past = f"from: {self.now - 60}\nto: {self.now - 30}"
            content = {"garbage": "[", "yaml": past}.get(event, "")
            kind = "stop" if event == "garbage" else event
            self.present[kind] = marker(kind, self.now - T + ahead * PERIOD, content)

    def look(self) -> None:
        outcome = answer(decide(self.present, self.outcome, self.now)) if self.present else None
        if outcome is not None:
            self.outcome = outcome
            self.answered.append(dict(outcome.markers))


@given(histories)
def test_after_any_history_each_request_was_answered_once_and_all_is_quiet(
    history: list[tuple[str, int]],
) -> None:
    world = History()
    for event, ahead in history:
        world.follow(event, ahead)
    world.now = LATER
    world.look()
    answered = list(world.answered)
    world.look()
    assert world.answered == answered
    assert all(first != second for first, second in pairwise(answered))
    if world.present:
        last = decide(world.present, world.outcome, LATER)
        assert isinstance(last, Answered) or (isinstance(last, Open) and "start" in world.present)
