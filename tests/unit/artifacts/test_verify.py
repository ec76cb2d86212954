"""Verifying: whatever was changed in a published folder is named, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitord.artifacts.layout import MANIFEST
from monitord.artifacts.store import publish
from monitord.artifacts.verify import Difference, verify_files
from monitord.cli import execute
from tests.fakes.guard import permit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    file = tmp_path / "part"
    pq.write_table(pa.table({"value": [1.0, 2.0]}), file)
    files: dict[str, bytes | Path] = {
        "a.csv": b"x,y\n1,2\n", "inputs/b.yml": b"b", "samples/service=s/part-0.parquet": file,
    }  # fmt: skip
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    return publish(artifacts, "w", files, {}, rows={"samples/service=s/part-0.parquet": 2}, permit=permit())


def test_what_was_published_is_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_files(folder) == []
    assert execute(["verify", str(folder)]) == 0
    assert capsys.readouterr().out == ""


def change_rows(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    for entry in manifest["files"]:
        entry["rows"] = 7
    (folder / MANIFEST).write_text(json.dumps(manifest))


def link(folder: Path) -> None:
    (folder / "b.yml").write_bytes(b"b")
    (folder / "inputs/b.yml").unlink()
    (folder / "inputs/b.yml").symlink_to("../b.yml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "a.csv").write_bytes(b"x,y\n1,3\n"), ["a.csv: has other content"]),
        (lambda folder: (folder / "a.csv").write_bytes(b"x,y\n"), ["a.csv: has 4 bytes, not 8"]),
        (lambda folder: (folder / "inputs/b.yml").unlink(), ["inputs/b.yml: is missing"]),
        (lambda folder: (folder / "inputs/c").touch(), ["inputs/c: is not in the manifest"]),
        (lambda folder: (folder / "c").symlink_to("gone"), ["c: is not in the manifest"]),
        (link, ["b.yml: is not in the manifest", "inputs/b.yml: is not a file"]),
        (
            change_rows,
            ["a.csv: has 1 rows, not 7", "samples/service=s/part-0.parquet: has 2 rows, not 7"],
        ),
        (lambda folder: (folder / MANIFEST).unlink(), ["MANIFEST.json: is missing"]),
        (lambda folder: (folder / MANIFEST).write_text("{}"), ["MANIFEST.json: is missing"]),
        (
            lambda folder: (folder / MANIFEST).write_text('{"files": [{"path": "../w/a.csv"}]}'),
            ["MANIFEST.json: is missing or not a manifest"],
        ),
    ],
)
def test_every_change_is_named(
    folder: Path, change: Callable[[Path], None], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder)
    assert execute(["verify", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(said)
    assert all(line.startswith(text) for line, text in zip(lines, said, strict=True))


def test_json_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "inputs/b.yml").unlink()
    assert execute(["verify", "-o", "json", str(folder)]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(folder),
        "verified": False,
        "problems": [{"path": "inputs/b.yml", "message": "is missing"}],
        "derived_rows": 0,
        "derived_points": 0,
        "notes": [],
    }


def test_a_name_that_a_terminal_would_act_on_is_shown_escaped() -> None:
    assert str(Difference("a\x1b[2J", "is missing")) == "a\\x1b[2J: is missing"
