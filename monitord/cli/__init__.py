"""The command line: each command parses, calls `client/` and prints, in a module imported only when called.

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
from monitord.cli._output import print_line, print_lines
from monitord.errors import ExitCode, MonitordError

# In the order in which a session uses them; the texts are here so that `--help` need not import every module.
# To add a command: its module, `cli/<command>.py` with a `command`, and a line here. Modules whose names
# begin with `_` are helpers.
COMMANDS = {
    "session-create": "Create a session folder.",
    "client-connect": "Register a client with its node and exporters.",
    "service-register": "Register a service of a client.",
    "client-disconnect": "Withdraw a client and all of its services.",
    "service-unregister": "Withdraw one service of a client.",
    "exporters": "Run exporters on the nodes of a Slurm job.",
    "start": "Start the daemon, as a Slurm job or on this machine.",
    "run": "Run the daemon in the foreground.",
    "status": "Show the daemon, its targets and its windows.",
    "wait": "Wait for the daemon, a target file or a window.",
    "why": "Explain why a target is or is not scraped.",
    "window": "Open, close and list measurement windows.",
    "collect": "Measure a window in the past.",
    "compare": "Compare the results of two windows, or of repeats.",
    "verify": "Check results against their manifest and raw samples.",
    "check": "Validate files before they are used.",
    "schema": "Print the JSON Schema of a kind of file, or an example.",
    "config": "Show settings and where they come from.",
    "stop": "Stop the daemon.",
    "delete": "Delete a stopped session.",
    "demo": "Show everything on this machine in under a minute.",
    "completion": "Print the shell completion script.",
}


class _ReaderGoneError(Exception):
    """Standard output is a pipe whose reader has closed it."""


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
    """Monitor benchmarks with Prometheus, on a Slurm cluster or on one machine.

    A session has a daemon, which runs Prometheus. Clients register what to scrape and open measurement
    windows; the KPIs of each window are written to the session's artifacts/.

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
        print_lines(lines.getvalue(), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print_line("monitord: interrupted", err=True)
        return ExitCode.INTERRUPTED
    except MonitordError as error:
        print_lines(f"monitord: {error}", err=True)
        return error.exit_code
    except _ReaderGoneError:
        # The reader of our output has closed the pipe; without this, Python would report that once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception:  # noqa: BLE001  # a defect: no other exit code applies
        import traceback

        print_lines(traceback.format_exc(), err=True)
        print_line("monitord: this is a defect of monitord; please report it with the lines above", err=True)
        return ExitCode.DEFECT
    return int(code or ExitCode.OK)
