"""`monitord verify`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import output_option
from monitord.cli._output import print_json, say
from monitord.errors import ExitCode


@click.command("verify")
@output_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def command(output: str, folder: Path) -> int:
    """Compare an artifact folder with its manifest, and its summary with its raw samples.

    Checksums, sizes and rows of all files, missing and extra ones; when those are right, every number
    that Prometheus is not needed for is derived again. Every difference is one line on standard
    output, FILE: MESSAGE; the exit code is then 1.

    \b
    Example:
      monitord verify artifacts/run01
      monitord verify -o json artifacts/run01
    """
    from monitord.artifacts.derive import Derivation, derive
    from monitord.artifacts.verify import verify_files

    differences = verify_files(folder)
    derivation = Derivation()
    if not differences:
        derivation = derive(folder)
        differences = list(derivation.differences)
    if output == "json":
        print_json(
            {
                "folder": str(folder),
                "verified": not differences,
                "problems": [{"path": each.path, "message": each.message} for each in differences],
                "derived_rows": derivation.rows,
                "derived_points": derivation.points,
                "notes": list(derivation.notes),
            }
        )
        return ExitCode.INVALID if differences else ExitCode.OK
    for each in differences:
        say(str(each))
    for note in derivation.notes:
        say(f"{folder}: {note}", err=True)
    if not differences:
        derived = f"; {derivation.rows} rows and {derivation.points} points over time derived again"
        say(f"{folder}: every file is as its manifest says{derived if derivation.rows else ''}", err=True)
    return ExitCode.INVALID if differences else ExitCode.OK
