"""The command line. Each command is a module that is imported only when it is called.

A command returns its exit code; data goes to standard output, messages to standard error.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from monitord import __version__
from monitord.cli._output import say, say_lines
from monitord.errors import ExitCode, MonitordError

# In the order in which a session goes; the texts are here so that `--help` need not import them all.
COMMANDS = {
    "session-create": "Create a session folder.",
    "client-connect": "Register a client with its node and exporters.",
    "service-register": "Register a service of a client.",
    "client-disconnect": "Withdraw everything a client registered.",
    "service-unregister": "Withdraw one service.",
    "exporters": "Run exporters on the nodes of a client's job.",
    "start": "Start the daemon in the background.",
    "run": "Run the daemon in the foreground.",
    "status": "Show the daemon, its targets and its windows.",
    "wait": "Wait until something is so.",
    "why": "Explain what became of a target.",
    "window": "Open, close and list measurement windows.",
    "collect": "Collect any past window.",
    "compare": "Compare the artifacts of windows.",
    "verify": "Compare results with their manifest.",
    "check": "Validate files before they are used.",
    "schema": "Print a JSON Schema for editors.",
    "config": "Show settings and where they come from.",
    "stop": "Stop the daemon.",
    "delete": "Delete a stopped session.",
    "demo": "See all of it on this machine in under a minute.",
    "completion": "Print the shell completion script.",
}


class _ReaderGoneError(Exception):
    """Standard output is a pipe that nobody reads any more."""


class _Commands(click.Group):
    """The group of all commands, each loaded from its module when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"monitord.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # click itself would end with 1, which is invalid input here.
            raise _ReaderGoneError from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="%(prog)s %(version)s", prog_name="monitord")
def main() -> None:
    """Monitor benchmarks on a Slurm cluster with files: drop targets, touch markers, read results.

    \b
    Example:
      monitord session-create --run-id bench01
      monitord start --session bench01 --local
      monitord service-register --session bench01 --client-id c1 --name web --endpoint http://localhost:8000/metrics
      monitord window run --session bench01 --id run01 -- ./benchmark
      monitord stop --session bench01
    """


def execute(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; the only place that turns errors into codes."""
    try:
        code = main.main(args=list(arguments), prog_name="monitord", standalone_mode=False)
    except click.ClickException as error:
        lines = io.StringIO()
        error.show(lines)
        say_lines(lines.getvalue(), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("monitord: interrupted", err=True)
        return ExitCode.INTERRUPTED
    except MonitordError as error:
        say_lines(f"monitord: {error}", err=True)
        return error.exit_code
    except _ReaderGoneError:
        # Whoever read our output has seen enough; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception:  # noqa: BLE001  # none of the other codes is true of it
        import traceback

        say_lines(traceback.format_exc(), err=True)
        say("monitord: this is a defect of monitord; please report it with the lines above", err=True)
        return ExitCode.DEFECT
    return int(code or ExitCode.OK)
