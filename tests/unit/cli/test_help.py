"""Every command says what it is for, and shows how it is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from monitord import cli
from monitord.cli import COMMANDS, execute, main


def commands() -> Iterator[tuple[str, ...]]:
    context = click.Context(main)
    yield ()
    for name in COMMANDS:
        yield (name,)
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, each) for each in command.list_commands(context))


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_the_help_shows_an_example_of_the_command(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    _, example, calls = shown.partition("Example:\n")
    assert example
    assert f"monitord {' '.join(command)}".strip() in calls


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_option_is_explained(command: tuple[str, ...]) -> None:
    found: click.Command = main
    for name in command:
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), name) or pytest.fail(name)
    options = [parameter for parameter in found.params if isinstance(parameter, click.Option)]
    assert not [option.name for option in options if not option.help]


def test_a_module_is_a_command_or_a_helper() -> None:
    names = {file.stem for file in Path(cli.__file__ or "").parent.glob("*.py") if file.stem[0] != "_"}
    assert names == {name.replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_agrees_with_their_own_help(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert len(COMMANDS[name]) < 65


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_no_summary_is_cut_off(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    execute([*command, "--help"])
    assert "..." not in capsys.readouterr().out.partition("Commands:\n")[2]


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["--help"])
    shown = capsys.readouterr().out
    assert not [name for name in COMMANDS if f"\n  {name} " not in shown]


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["status"], ["status", "-s", "a", "--nonsense"], ["wait", "-s", "a", "--for", "ready",
     "--timeout", "soon"], ["completion", "tcsh"], ["run", "-s", "a", "--port", "65536"]],
    ids=" ".join,
)  # fmt: skip
def test_a_command_that_is_called_wrongly_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MONITORD_SESSION", raising=False)
    assert execute(arguments) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert "Usage: monitord" in shown.err
