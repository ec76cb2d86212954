"""`monitord schema`, and what editors are told in the files that the command line writes."""

from __future__ import annotations

import grp
import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from monitord.cli import execute
from monitord.cli.schema import KINDS
from monitord.documents.strict_yaml import read_document
from monitord.session.folder import Session

CHECKED_AS = {"targets": "target", "window": "window", "recipe": "recipe", "settings": "settings"}


@pytest.fixture
def session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Session:
    """A session as session-create makes it."""
    assert execute(["session-create", "--root", str(tmp_path), "--run-id", "s"]) == 0
    capsys.readouterr()
    return Session(tmp_path, "s")


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_printed_for_each_kind(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["schema", kind]) == 0
    shown = capsys.readouterr()
    Draft7Validator.check_schema(json.loads(shown.out))
    assert shown.out.endswith("}\n")
    assert not shown.err


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_is_valid_as_it_stands(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["schema", kind, "--example"]) == 0
    file = tmp_path / "mine.yaml"
    file.write_text(capsys.readouterr().out)
    assert execute(["check", "--kind", CHECKED_AS[kind], str(file)]) == 0


def test_a_session_holds_its_schemas(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert {file.name for file in session.schemas.iterdir()} == {f"{kind}.json" for kind in KINDS}
    for kind in KINDS:
        execute(["schema", kind])
        assert (session.schemas / f"{kind}.json").read_text() == capsys.readouterr().out


def test_a_groups_members_read_the_schemas(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    assert execute(["session-create", "--root", str(tmp_path), "--run-id", "s", "--group", group]) == 0
    schemas = Session(tmp_path, "s").schemas
    assert schemas.stat().st_mode & 0o7777 == 0o2750
    assert {file.stat().st_mode & 0o777 for file in schemas.iterdir()} == {0o640}
    assert {file.stat().st_gid for file in (schemas, *schemas.iterdir())} == {os.getegid()}


REGISTRATIONS = [
    ["client-connect", "--client-id", "c1", "--node", "mel0042", "--node-exporter", "9100", "--lease", "10m",
     "--label", "run=1.10", "--slurm-job", "12_3"],
    ["service-register", "--client-id", "c1", "--name", "web", "--endpoint", "http://localhost:8000/metrics"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", REGISTRATIONS, ids=lambda arguments: arguments[0])
def test_a_registration_names_the_schema_and_follows_it(
    arguments: list[str], session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([*arguments, "--root", str(session.root), "-s", "s"]) == 0
    file = Path(capsys.readouterr().out.strip())
    first, _, rest = file.read_text().partition("\n")
    schema = file.parent / first.removeprefix("# yaml-language-server: $schema=")
    validator = Draft7Validator(json.loads(schema.read_text()))
    assert validator.is_valid(read_document(rest.encode()).value)
    assert execute(["check", str(file)]) == 0


def test_a_registration_names_no_schema_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Session(tmp_path, "s").create(b"session: s\n")
    assert execute([*REGISTRATIONS[0], "--root", str(tmp_path), "-s", "s"]) == 0
    assert "schema" not in Path(capsys.readouterr().out.strip()).read_text()
