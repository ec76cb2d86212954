"""`monitord completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from monitord.cli._output import print_lines
from monitord.errors import ExitCode


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the completion script of a shell.

    \b
    Example:
      monitord completion bash > ~/.local/share/bash-completion/completions/monitord
    """
    completion = get_completion_class(shell)
    assert completion is not None  # noqa: S101  # the argument allows only shells that click knows
    print_lines(completion(ctx.find_root().command, {}, "monitord", "_MONITORD_COMPLETE").source())
    return ExitCode.OK
