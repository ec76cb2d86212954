"""Running a Prometheus, with small scripts in its place."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from monitord.errors import PassingError
from monitord.prometheus.child.output import MOST_LINE_BYTES
from monitord.prometheus.child.process import PrometheusProcess


def script(path: Path, body: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def started(tmp_path: Path, body: str, kept: list[str] | None = None) -> PrometheusProcess:
    kept = [] if kept is None else kept
    process = PrometheusProcess.start(
        [str(script(tmp_path / "prometheus", body))], kept.append, {"PATH": "/bin:/usr/bin"}
    )
    assert process.wait(10.0) is not None
    return process


def test_the_last_errors_and_every_line_for_the_log(tmp_path: Path) -> None:
    body = "\n".join(f"echo 'level=error msg=e{number}'" for number in range(5))
    kept: list[str] = []
    process = started(tmp_path, body, kept)
    assert process.errors() == ("e2", "e3", "e4")
    assert process.errors(1) == ("e4",)
    assert kept == [f"level=error msg=e{number}" for number in range(5)]
    assert process.log_bytes() == len("".join(f"{line}\n" for line in kept))


def test_it_listens_once_it_has_logged_where_and_how(tmp_path: Path) -> None:
    listening, how = "echo 'msg=\"Listening on\" address=127.0.0.1:8080'", "echo 'msg=\"TLS is disabled.\"'"
    silent, half = started(tmp_path / "0", "exit 0"), started(tmp_path / "1", listening)
    whole = started(tmp_path / "2", f"{listening}\n{how}")
    assert [each.errors() for each in (silent, half, whole)] == [(), (), ()]  # all has been read
    assert [each.listening_url() for each in (silent, half, whole)] == [None, None, "http://127.0.0.1:8080"]


def test_a_line_without_end_is_read_in_parts(tmp_path: Path) -> None:
    kept: list[str] = []
    process = started(
        tmp_path, f"head -c {3 * MOST_LINE_BYTES} /dev/zero | tr '\\0' x; echo; echo last", kept
    )
    assert process.errors() == ()
    assert [len(line) for line in kept] == [*3 * [MOST_LINE_BYTES], 0, 4]


def test_a_process_whose_output_cannot_be_read_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    pid = tmp_path / "pid"
    body = f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 60"
    with pytest.raises(PassingError, match="no thread can be started"):
        started(tmp_path, body)
    assert not pid.exists() or not Path(f"/proc/{pid.read_text().strip()}").exists()
