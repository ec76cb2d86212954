from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitord.targets.parse import parse
from monitord.targets.resolve import Place
from tests.bench.file_sd import FileSd, marked


def write(file: Path, *marks: str) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps([{"targets": ["h:1"], "labels": {"mark": mark}} for mark in marks]))
    temporary.replace(file)


def test_marks_are_found_in_whichever_file_holds_them(tmp_path: Path) -> None:
    file_sd = FileSd(tmp_path)
    assert file_sd.marks() == frozenset()
    write(tmp_path / "00.json", "a", "b")
    write(tmp_path / "01.json", "c")
    assert file_sd.marks() == {"a", "b", "c"}
    write(tmp_path / "00.json", "b", "d")
    assert file_sd.marks() == {"b", "c", "d"}
    (tmp_path / "01.json").unlink()
    assert file_sd.marks() == {"b", "d"}


def test_a_file_that_did_not_change_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_sd = FileSd(tmp_path)
    write(tmp_path / "00.json", "a")
    assert file_sd.marks() == {"a"}
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read again"))
    assert file_sd.marks() == {"a"}


def test_a_marked_file_is_one_that_monitord_accepts() -> None:
    registration = parse(marked("m7", 1, 2, 3).encode(), "f.yaml", "bench", Place("host", under_slurm=False))
    assert [endpoint.labels["mark"] for endpoint in registration.endpoints] == ["m7"] * 3
