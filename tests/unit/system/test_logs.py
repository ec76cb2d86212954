"""The log: one JSON object a line, whatever happens to the files it goes to."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from monitord.system.logs import Console, LogFile, open_log

# The log file stays open for as long as the daemon lives.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_one_json_object_with_the_same_keys_first(tmp_path: Path) -> None:
    path, stream = tmp_path / "log", io.StringIO()
    open_log(LogFile(path, 0o640, max_bytes=2**24, kept=4), "bench01", Console(stream)).info(
        "file_sd.written", written=2
    )
    [line] = lines(path)
    assert list(line) == ["timestamp", "level", "event", "session", "written"]
    assert (line["level"], line["session"], line["timestamp"][-1]) == ("info", "bench01", "Z")
    assert stream.getvalue() == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_log_is_continued_and_debug_is_left_out(tmp_path: Path) -> None:
    for _ in range(2):
        log = open_log(LogFile(tmp_path / "log", 0o600, max_bytes=2**24, kept=4), "s", Console(io.StringIO()))
        log.debug("noise")
        log.warning("kept")
    assert [line["event"] for line in lines(tmp_path / "log")] == ["kept", "kept"]


def test_an_exception_is_one_line_with_its_traceback(tmp_path: Path) -> None:
    log = open_log(LogFile(tmp_path / "log", 0o600, max_bytes=2**24, kept=4), "s", Console(io.StringIO()))
    try:
        int("broken")
    except ValueError:
        log.exception("part.failed", part="targets")
    [line] = lines(tmp_path / "log")
    assert "ValueError: invalid literal" in line["exception"]
    assert line["level"] == "error"


def test_a_terminal_gets_text_for_people_and_the_file_gets_json(tmp_path: Path) -> None:
    terminal = Terminal()
    console = Console(terminal)
    log = open_log(
        LogFile(tmp_path / "log", 0o600, max_bytes=2**24, kept=4), "s", console, readable=console.is_terminal
    )
    log.info("daemon.started", pid=7)
    assert "daemon.started" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert lines(tmp_path / "log")[0]["pid"] == 7


def test_a_name_with_newlines_or_stray_bytes_is_still_one_line(tmp_path: Path) -> None:
    names = ["a\nb\u2028.yaml", "\udcff\udc80.yaml", "ü.yaml"]
    log = open_log(
        LogFile(tmp_path / "log", 0o600, max_bytes=2**24, kept=4),
        "s",
        Console(io.TextIOWrapper(io.BytesIO(), "utf-8")),
    )
    for name in names:
        log.info("target_file.accepted", file=name)
    content = (tmp_path / "log").read_bytes().decode()
    assert [json.loads(line)["file"] for line in content.removesuffix("\n").split("\n")] == names


def test_a_full_or_closed_terminal_is_no_error(tmp_path: Path) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (Full(), closed):
        path = tmp_path / f"log-{id(stream)}"
        stream.isatty = lambda: False  # type: ignore[method-assign]
        open_log(LogFile(path, 0o600, max_bytes=2**24, kept=4), "s", Console(stream)).error("daemon.failed")
        assert lines(path)[0]["event"] == "daemon.failed"


def test_a_full_disk_loses_lines_never_the_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    file = LogFile(Path("/dev/full"), 0o666, max_bytes=2**24, kept=4)
    file.write("the line")
    assert "/dev/full: No space left on device; the line" in capsys.readouterr().err


def test_after_a_rotation_it_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path, aside = tmp_path / "log", tmp_path / "log.1"
    file = LogFile(path, 0o640, max_bytes=2**24, kept=4)
    file.write("before")
    path.rename(aside)
    file.write("meanwhile")
    file.reopen()
    file.write("after")
    assert (aside.read_text(), path.read_text()) == ("before\nmeanwhile\n", "after\n")
    assert path.stat().st_mode & 0o777 == 0o640


def test_where_no_new_file_can_be_made_it_goes_on_in_the_old_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = LogFile(folder / "log", 0o600, max_bytes=2**24, kept=4)
    moved = folder.rename(tmp_path / "moved")
    file.reopen()
    file.write("still logged")
    assert (moved / "log").read_text() == "still logged\n"
    assert "No such file or directory; it goes on in the old file" in capsys.readouterr().err


def test_a_full_file_is_set_aside_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = LogFile(path, 0o640, max_bytes=20, kept=2)
    for number in range(10):
        file.write(f"line {number}.")  # 8 bytes with its end
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    kept = [(tmp_path / name).read_text().split() for name in ("log.2", "log.1", "log")]
    assert [line for lines in kept for line in lines if line != "line"] == [
        "4.",
        "5.",
        "6.",
        "7.",
        "8.",
        "9.",
    ]
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o640 for each in tmp_path.iterdir())


def test_a_line_that_is_longer_than_a_file_may_be_is_kept_whole(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log", 0o600, max_bytes=10, kept=1)
    for line in ("x" * 30, "y"):
        file.write(line)
    assert ((tmp_path / "log.1").read_text(), (tmp_path / "log").read_text()) == ("x" * 30 + "\n", "y\n")


def test_a_file_that_is_continued_counts_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 15 + "\n")
    LogFile(tmp_path / "log", 0o600, max_bytes=20, kept=1).write("more than four")
    assert (tmp_path / "log").read_text() == "more than four\n"


def test_output_into_a_plain_file_ends_at_a_limit(tmp_path: Path) -> None:
    with (tmp_path / "daemon.out").open("w") as stream:
        console = Console(stream, max_bytes=20)
        for number in range(100):
            console.write(f"line {number}")
    lines = (tmp_path / "daemon.out").read_text().splitlines()
    assert lines[:3] == ["line 0", "line 1", "line 2"]
    assert "the log goes on in the session's logs/" in lines[3]
    assert len(lines) == 4
