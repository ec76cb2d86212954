"""What becomes of a window's result: read, copied, judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitord.client.results import WindowResult, result_of
from monitord.errors import IncompleteDataError, InvalidInputError, SloBreachedError
from monitord.session.folder import Session


def condition(status: str) -> dict[str, Any]:
    return {"condition": "latency.p99 < 250 ms", "status": status, "value": 300.0, "unit": "ms", "reason": ""}


def result(status: str = "complete", *conditions: str) -> WindowResult:
    reasons = [] if status == "complete" else [{"message": "two scrapes failed"}]
    slo = [condition(each) for each in conditions]
    return WindowResult(Path("x"), {"status": status, "reasons": reasons, "slo": slo})


def test_a_complete_window_without_conditions_passes() -> None:
    for judge in (result().refuse_breach, result().refuse_incomplete, result().refuse_undecided):
        judge()


def test_each_verdict_has_an_error_of_its_own() -> None:
    with pytest.raises(SloBreachedError, match=r"the window breached latency.p99 < 250 ms \(300 ms\)$"):
        result("complete", "met", "breached").refuse_breach()
    with pytest.raises(IncompleteDataError, match="the window is partial: two scrapes failed"):
        result("partial").refuse_incomplete()
    with pytest.raises(IncompleteDataError, match=r"not decided: latency.p99"):
        result("complete", "unknown").refuse_undecided()


def test_conditions_are_listed_by_their_outcome() -> None:
    found = result("complete", "met", "unknown")
    assert [status for status, _ in found.conditions()] == ["met", "unknown"]
    assert len(found.conditions("met")) == 1


def test_a_result_is_read_and_copied_whole(session: Session, tmp_path: Path) -> None:
    folder = session.artifacts / "r"
    with pytest.raises(InvalidInputError, match=r"has no MANIFEST.json; collect window r again"):
        result_of(session, "r")
    (folder / "samples").mkdir(parents=True)
    (folder / "samples" / "a").write_text("a")
    (folder / "MANIFEST.json").write_text(json.dumps({"status": "complete"}))
    found = result_of(session, "r")
    assert (found.folder, found.manifest) == (folder, {"status": "complete"})
    found.copy_to(tmp_path / "out")
    copied = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")}
    assert copied == {"samples", "samples/a", "MANIFEST.json"}
