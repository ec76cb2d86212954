"""`monitord check`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._output import print_line
from monitord.errors import ExitCode, InvalidFileError

KINDS = ("target", "window", "recipe", "settings")


@click.command("check")
@click.option(
    "--kind", type=click.Choice(KINDS), help="Kind of the files [default: detected from name and content]."
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def command(kind: str | None, files: tuple[Path, ...]) -> int:
    """Validate target, window, recipe and settings files offline.

    Prints one line per problem on standard output, FILE:LINE:COLUMN: FIELD: MESSAGE, and then exits
    with 1.

    \b
    Example:
      monitord check targets/*.yaml
      monitord check --kind recipe my-recipe.yaml
    """
    from monitord.client.checking import check_file

    valid = True
    for file in files:
        try:
            what = check_file(file, kind)
        except InvalidFileError as error:
            valid = False
            for problem in error.problems:
                print_line(f"{file}:{problem}")
        else:
            print_line(f"{file}: valid {what}", err=True)
    return ExitCode.OK if valid else ExitCode.INVALID
