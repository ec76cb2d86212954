"""Hostile text: nothing of it acts on a terminal, and JSON reads back as it was."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts.formats import json_bytes
from monitord.cli import execute
from monitord.cli._output import print_json, print_line, print_lines, print_table, progress
from monitord.system.atomic import to_json
from monitord.system.logs import Console, LogFile, open_log
from monitord.system.printable import shown, shown_json

CLEAR, C1, BIDI = "\x1b[2J", "\x9b31m", "\u202eevil\u2066"
HOSTILE = f"{CLEAR}{C1}{BIDI}\x07\r\x7f\u2028[bold]x[/bold] :smile:"
ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff]")


@given(st.text())
def test_nothing_that_is_shown_acts_on_a_terminal(text: str) -> None:
    assert shown(text).isprintable()
    assert not ACTS.search(shown(text, keep="\n"))
    assert shown(shown(text)) == shown(text)


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_what_is_printable_stays(text: str) -> None:
    assert shown(text) == text


def test_escapes_are_as_python_writes_them() -> None:
    assert shown("a\x1b[1mb\x9b\u202e\U000e0041\udc80\n") == r"a\x1b[1mb\x9b\u202e\U000e0041\udc80\n"
    assert shown("grüße\t1 °C", keep="\t") == "grüße\t1 °C"


VALUES = st.recursive(
    st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(VALUES)
def test_json_is_shown_by_a_terminal_and_reads_back_the_same(value: object) -> None:
    text = shown_json(json.dumps(value, indent=1, ensure_ascii=False))
    assert json.loads(text) == value
    assert not ACTS.search(text)
    assert not ACTS.search(to_json(value).decode())


def test_published_json_is_shown_as_it_is() -> None:
    for content in (to_json({"error": HOSTILE, "unit": "°C"}), json_bytes({"error": HOSTILE, "unit": "°C"})):
        assert json.loads(content) == {"error": HOSTILE, "unit": "°C"}
        assert not ACTS.search(content.decode())
        assert "°C" in content.decode()


def test_lines_and_tables_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(f"a{HOSTILE}\nnext: harmless")
    print_lines(f"one\ntwo{HOSTILE}\n")
    print_json({"error": HOSTILE})
    print_table(("FILE", "REASON"), [(f"x{HOSTILE}", "a\nFORGED  row")], title=f"t{HOSTILE}")
    with progress() as current:
        current.show(HOSTILE)
        current.keep(HOSTILE)
    out, err = capsys.readouterr()
    assert not ACTS.search(out + err)
    lines = out.splitlines()
    assert lines[0].endswith(r"\nnext: harmless")
    assert [line for line in lines if line.startswith("FORGED")] == []
    assert len(lines) == 1 + 2 + 3 + 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nor_does_a_terminal_get_it_or_read_it_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    print_table(("FILE",), [(f"x{HOSTILE}",)], title=f"t{HOSTILE}")
    with progress() as current:
        current.show(HOSTILE)
        current.keep(HOSTILE)
    got = re.sub(r"\x1b\[[0-9;?]*[hlmAK]", "", terminal.getvalue())  # rich's own colours and cursor
    assert CLEAR not in terminal.getvalue()
    assert not ACTS.search(got.replace("\r", ""))
    assert got.count("[bold]x[/bold] :smile:") >= 4


def test_errors_of_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bad = tmp_path / f"{CLEAR}{C1}.yaml"
    bad.write_text(f"'{C1}{BIDI}': 1\n")
    assert execute(["check", "--kind", "target", str(bad)]) == 1
    assert execute(["status", "--session", f"s{CLEAR}", "--root", str(tmp_path)]) == 1
    assert execute([f"nothing{CLEAR}{BIDI}"]) == 2
    assert execute(["wait", "--for", f"x{CLEAR}{BIDI}"]) == 2
    out, err = capsys.readouterr()
    assert r"\x1b[2J" in out
    assert not ACTS.search(out + err)


def test_logs(tmp_path: Path) -> None:
    terminal = Terminal()
    file = LogFile(tmp_path / "log", 0o600, max_bytes=2**24, kept=4)
    log = open_log(file, "s", Console(terminal), readable=True)
    log.warning("target_file.refused", file=HOSTILE, errors=[{"message": HOSTILE}], reason="a\nb")
    file.close()
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert not ACTS.search(text)
    assert json.loads(text)["file"] == HOSTILE
    assert not ACTS.search(re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()))  # structlog's own colours
    assert terminal.getvalue().count("\n") == 1


def test_there_is_one_door_to_the_terminal() -> None:
    folder = Path(sys.modules["monitord.cli"].__file__ or "").parent
    printing = re.compile(r"\bclick\.s?echo\(|\bprint\(|sys\.std(out|err)\.write|traceback\.print_exc")
    assert {file.name for file in folder.rglob("*.py") if printing.search(file.read_text())} == {"_output.py"}
