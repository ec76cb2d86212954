"""The markers of windows: which are written, and which are refused."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from monitord.client.windows import (
    DroppedMarker,
    cancel_window,
    check_conditions,
    close_opened,
    close_window,
    open_window,
    request_window,
)
from monitord.documents.strict_yaml import read_document
from monitord.errors import InvalidInputError
from monitord.session.folder import Session

OURS, DAEMON, THEIRS = os.geteuid(), 5, 7
End = Callable[[Session, str], DroppedMarker]


def test_a_plain_window_has_empty_markers(session: Session) -> None:
    opened = open_window(session, "r")
    closed = close_window(session, "r")
    assert [opened.path, closed.path] == [session.windows / "r.start", session.windows / "r.stop"]
    assert opened.path.read_bytes() == closed.path.read_bytes() == b""


def test_labels_and_conditions_stand_in_the_start_marker(session: Session) -> None:
    opened = open_window(session, "r", labels={"batch": "32"}, slo=["latency.p99 < 250 ms"])
    assert read_document(opened.path.read_bytes()).value == {
        "labels": {"batch": "32"}, "slo": ["latency.p99 < 250 ms"],
    }  # fmt: skip


def test_a_window_that_is_open_is_not_opened_again(session: Session) -> None:
    open_window(session, "r")
    with pytest.raises(InvalidInputError, match=r"window r is open already, since [0-9:]+; stop or"):
        open_window(session, "r")
    cancel_window(session, "r")
    open_window(session, "r")


@pytest.mark.parametrize("end", [close_window, cancel_window])
def test_a_window_that_was_never_opened_is_not_ended(session: Session, end: End) -> None:
    with pytest.raises(InvalidInputError, match="window r was never opened"):
        end(session, "r")
    assert list(session.windows.iterdir()) == []


def test_its_opener_closes_a_window_whose_start_marker_has_gone(session: Session) -> None:
    opened = open_window(session, "r")
    opened.path.unlink()
    assert close_opened(session, opened).path.exists()


@pytest.mark.skipif(OURS != 0, reason="only root can write files of several users")
@pytest.mark.parametrize(("owner", "daemon"), [(OURS, DAEMON), (THEIRS, OURS), (THEIRS, DAEMON)])
@pytest.mark.parametrize(("end", "kind"), [(close_window, "stop"), (cancel_window, "cancel")])
def test_only_its_owner_and_the_daemon_s_user_end_a_window(
    session: Session, end: End, kind: str, owner: int, daemon: int
) -> None:
    os.chown(open_window(session, "r").path, owner, -1)
    os.chown(session.folder, daemon, -1)
    if OURS in (owner, daemon):
        assert end(session, "r").path.exists()
    else:
        with pytest.raises(InvalidInputError, match=r"window r belongs to another user \(uid 7\)"):
            end(session, "r")
        assert not (session.windows / f"r.{kind}").exists()


def test_a_past_window_is_asked_for_by_its_times(session: Session) -> None:
    marker = request_window(session, "r", 1_700_000_000.0, 1_700_000_060.0)
    assert read_document(marker.path.read_bytes()).value == {
        "from": "2023-11-14T22:13:20.000Z", "to": "2023-11-14T22:14:20.000Z",
    }  # fmt: skip
    with pytest.raises(InvalidInputError, match="to must be later than from"):
        request_window(session, "other", 2.0, 1.0)
    assert not (session.windows / "other.yaml").exists()


@pytest.mark.parametrize("kind", ["start", "stop"])
def test_a_past_window_takes_no_name_of_another(session: Session, kind: str) -> None:
    (session.windows / f"r.{kind}").touch()
    with pytest.raises(InvalidInputError, match=f"window r exists already: .*r.{kind}"):
        request_window(session, "r", 1.0, 2.0)


def test_the_status_of_an_earlier_marker_is_no_answer(session: Session) -> None:
    marker = request_window(session, "r", 1.0, 2.0)
    assert marker.is_answered_by({"markers": {"r.yaml": marker.modified_ns, "r.cancel": 1}})
    assert not marker.is_answered_by({"markers": {"r.yaml": marker.modified_ns - 1}})
    assert not marker.is_answered_by({"markers": None})
    assert not marker.is_answered_by({})


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("latency.p98 < 250 ms", "SLO condition: latency has no stat p98; it has mean, "),
        ("latncy.p99 < 250 ms", "SLO condition: there is no KPI latncy; did you mean latency.p99"),
        ("latency.p99", "SLO condition: 'latency.p99' is"),
    ],
)
def test_a_condition_that_nothing_can_decide_is_refused_before_the_window_opens(
    session: Session, condition: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        open_window(session, "r", slo=[condition])
    with pytest.raises(InvalidInputError, match=message):
        check_conditions(session, [condition])
    assert list(session.windows.iterdir()) == []
