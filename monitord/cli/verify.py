"""`monitord verify`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli.options import output_option
from monitord.cli.output import print_json
from monitord.errors import ExitCode


@click.command("verify")
@output_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def command(output: str, folder: Path) -> int:
    """Compare an artifact folder with its manifest: checksums, sizes, rows, missing and extra files.

    Every difference is one line on standard output, FILE: MESSAGE; the exit code is then 1.

    \b
    Example:
      monitord verify artifacts/run01
      monitord verify -o json artifacts/run01
    """
    from monitord.artifacts.verify import verify_files

    differences = verify_files(folder)
    if output == "json":
        problems = [{"path": each.path, "message": each.message} for each in differences]
        print_json({"folder": str(folder), "verified": not differences, "problems": problems})
    else:
        for each in differences:
            click.echo(str(each))
        if not differences:
            click.echo(f"{folder}: every file is as its manifest says", err=True)
    return ExitCode.INVALID if differences else ExitCode.OK
