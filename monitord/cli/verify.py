"""`monitord verify`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import output_option
from monitord.cli._output import print_json, print_line
from monitord.errors import ExitCode


@click.command("verify")
@output_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def command(output: str, folder: Path) -> int:
    """Check an artifact folder against its manifest and its raw samples.

    Compares checksums, sizes and row counts, and finds missing and extra files. If those are right, every
    number that needs no Prometheus is computed again from the raw samples. Prints one line per difference
    on standard output, FILE: MESSAGE, and then exits with 1.

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
        print_line(str(each))
    for note in derivation.notes:
        print_line(f"{folder}: {note}", err=True)
    if not differences:
        derived = f"; recomputed {derivation.rows} rows and {derivation.points} points over time"
        print_line(f"{folder}: every file matches its manifest{derived if derivation.rows else ''}", err=True)
    return ExitCode.INVALID if differences else ExitCode.OK
