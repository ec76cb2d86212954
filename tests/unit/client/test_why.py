"""`monitord why` on a folder as a daemon left it: what is read, found and printed."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from monitord.cli import execute
from monitord.session.folder import Session
from monitord.session.lease import Holder, process_start
from monitord.system.timestamps import to_iso

CONTENT = b"services: [{name: web, endpoint: 'http://mel0042:8000/metrics'}]\n"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session with a daemon (this process), and one file that is up."""
    session = Session(tmp_path, "s")
    session.create(b"session: s\n")
    run_here(session)
    drop(session, "c1.yaml")
    return session


def run_here(session: Session) -> None:
    holder = Holder(socket.gethostname(), os.getpid(), process_start(os.getpid()) or 0, "now", "n")
    (session.lease / "0.json").write_text(json.dumps(asdict(holder)))
    beat = {"phase": "ready", "updated_at": to_iso(NEVER_LATE), "host": "mel0001", "last_error": None}
    session.daemon_status.write_text(json.dumps(beat))


NEVER_LATE = 250_000_000_000.0  # a heartbeat that no slow machine makes late


def drop(session: Session, name: str, **more: Any) -> Path:
    """Drop a file, and tell of it and write it as the daemon does."""
    file = session.targets / name
    file.write_bytes(CONTENT)
    client = file.stem
    labels = {"client": client, "job": "web", "service": "web", "instance": "mel0042:8000",
              "node": "mel0042"}  # fmt: skip
    endpoint = {"url": "http://mel0042:8000/metrics", "job": "web", "labels": labels, "health": "up",
                "last_error": "", "last_scrape": None}  # fmt: skip
    at = to_iso(file.stat().st_mtime_ns / 1e9)
    told = {
        "file": name, "state": "accepted", "reason": "", "errors": [], "endpoints": [endpoint],
        "in_force": hashlib.sha256(CONTENT).hexdigest(), "modified_at": at, "accepted_at": at,
        "updated_at": at, **more,
    }  # fmt: skip
    session.target_status(name).write_text(json.dumps(told))
    if told["in_force"]:
        group = {"targets": ["mel0042:8000"], "labels": {**labels, "__scheme__": "http"}}
        (session.file_sd / f"shard-{client}.json").write_text(json.dumps([group]))
    return file


Capture = pytest.CaptureFixture[str]


def why(session: Session, capsys: Capture, what: str | Path, code: int) -> dict[str, Any]:
    arguments = ["why", "--root", str(session.root), "-s", "s", "-o", "json", str(what)]
    assert execute(arguments) == code
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


def detail(answer: dict[str, Any], name: str, target: int = 0) -> str:
    return next(str(s["detail"]) for s in answer["targets"][target]["steps"] if s["step"] == name)


def test_a_file_by_its_name_its_path_and_its_address(session: Session, capsys: Capture) -> None:
    for what in ("c1.yaml", session.targets / "c1.yaml", "mel0042:8000", "http://mel0042:8000/metrics"):
        answer = why(session, capsys, what, 0)
        assert answer["up"]
        assert [target["file"] for target in answer["targets"]] == ["c1.yaml"]
        assert detail(answer, "written") == "1 endpoint in file_sd: shard-c1.json"


def test_the_table_ends_with_what_to_do(session: Session, capsys: Capture) -> None:
    assert execute(["why", "--root", str(session.root), "-s", "s", "c1.yaml"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0] == "c1.yaml"
    assert lines[1].split() == ["STEP", "OUTCOME", "AGE", "DETAIL"]
    assert lines[-1] == "next: nothing to do: everything is up"
    assert not shown.err


def test_an_address_is_found_in_every_file_that_has_it(session: Session, capsys: Capture) -> None:
    problem = {"line": 1, "column": 33, "field": "", "message": "web is registered already"}
    drop(session, "c2.yaml", state="refused", errors=[problem], endpoints=[], in_force=None, accepted_at=None)
    (session.targets / "c3.yaml").write_bytes(CONTENT)  # not seen yet
    (session.targets / "c4.yaml").write_bytes(CONTENT.replace(b"8000", b"8001"))
    (session.targets / "c5.yaml.swp").write_bytes(CONTENT)
    answer = why(session, capsys, "mel0042:8000", 1)
    assert [target["file"] for target in answer["targets"]] == ["c1.yaml", "c2.yaml", "c3.yaml"]
    assert [target["up"] for target in answer["targets"]] == [True, False, False]
    assert answer["next"] == "c2.yaml: correct c2.yaml:1:33: web is registered already"


def test_an_edit_that_the_daemon_has_not_read_is_told(session: Session, capsys: Capture) -> None:
    file = session.targets / "c1.yaml"
    before = file.stat().st_mtime_ns
    file.write_bytes(CONTENT + b"# more\n")
    os.utime(file, ns=(before, before + 5_000_000_000))
    answer = why(session, capsys, "c1.yaml", 1)
    assert "knows the version of" in detail(answer, "seen")
    assert "an earlier version" in detail(answer, "in force")


def test_an_edit_that_kept_the_time_is_seen_by_its_digest(session: Session, capsys: Capture) -> None:
    file = session.targets / "c1.yaml"
    before = file.stat().st_mtime_ns
    file.write_bytes(CONTENT + b"# more\n")
    os.utime(file, ns=(before, before))
    assert "an earlier version" in detail(why(session, capsys, "c1.yaml", 1), "in force")


def test_without_a_daemon_the_files_still_speak(session: Session, capsys: Capture) -> None:
    (session.lease / "0.json").unlink()
    answer = why(session, capsys, "c1.yaml", 1)
    assert "not running" in detail(answer, "daemon")
    assert detail(answer, "scraped") == "at the last update: 1 up"
    assert "monitord start --session s" in answer["next"]


def test_an_old_heartbeat_is_told(session: Session, capsys: Capture) -> None:
    beat = json.loads(session.daemon_status.read_text())
    session.daemon_status.write_text(json.dumps({**beat, "updated_at": to_iso(1_700_000_000.0)}))
    assert "heartbeat is old" in detail(why(session, capsys, "c1.yaml", 1), "daemon")


def test_before_anything_was_ever_written(tmp_path: Path, capsys: Capture) -> None:
    session = Session(tmp_path, "s")
    session.create(b"session: s\n")
    assert "no such file" in detail(why(session, capsys, "c1.yaml", 1), "seen")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("mel0042:9", "no file in"),
        ("ftp://mel0042:8000/", "is not an http or https URL"),
        ("/elsewhere/c1.yaml", "copy it there"),
    ],
)
def test_what_cannot_be_answered_is_told_with_what_to_do(
    what: str, message: str, session: Session, capsys: Capture
) -> None:
    assert execute(["why", "--root", str(session.root), "-s", "s", what]) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert not shown.out


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_is_no_plain_file_is_neither_opened_nor_waited_for(
    kind: str, session: Session, capsys: Capture
) -> None:
    strange = session.targets / "c2.yaml"
    if kind == "fifo":
        os.mkfifo(strange)
    else:
        strange.symlink_to(session.targets / "c1.yaml")
    assert "not seen the file" in detail(why(session, capsys, "c2.yaml", 1), "seen")
    assert len(why(session, capsys, "mel0042:8000", 0)["targets"]) == 1


@pytest.mark.parametrize("content", ["", "[", "{}", '[{"targets": []}]', '"x"', "[1]"])
def test_a_damaged_file_sd_is_no_reason_to_fail(content: str, session: Session, capsys: Capture) -> None:
    (session.file_sd / "shard-c1.json").write_text(content)
    answer = why(session, capsys, "c1.yaml", 1)
    assert detail(answer, "written") == "1 of 1 endpoint missing from prometheus/file_sd"


def test_a_file_sd_that_cannot_be_listed_is_unknown_and_no_failure(session: Session, capsys: Capture) -> None:
    (session.file_sd / "shard-c1.json").unlink()
    session.file_sd.rmdir()
    session.file_sd.touch()
    assert "cannot be read by you" in detail(why(session, capsys, "c1.yaml", 0), "written")


def test_one_group_may_hold_many_targets(session: Session, capsys: Capture) -> None:
    group = {"targets": ["mel0041:8000", "mel0042:8000"], "labels": {"client": "c1", "job": "web"}}
    (session.file_sd / "shard-c1.json").write_text(json.dumps([group]))
    assert detail(why(session, capsys, "c1.yaml", 0), "written") == "1 endpoint in file_sd: shard-c1.json"
