"""`monitord schema`."""

from __future__ import annotations

import click

from monitord.cli._output import print_lines
from monitord.errors import ExitCode

KINDS = ("targets", "window", "recipe", "settings")  # of schemas.py, which would load pydantic


@click.command("schema")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--example", is_flag=True, help="Print a commented example file instead.")
def command(kind: str, example: bool) -> int:
    """Print the JSON Schema (draft 7) of target files, window markers, recipes or settings.

    Editors with a YAML language server use it to complete and check files. session-create writes all
    schemas into the session's schemas/.

    \b
    Example:
      monitord schema targets > targets.json
      monitord schema targets --example > targets/mine.yaml
    """
    if example:
        from monitord.client.starters import STARTERS

        print_lines(STARTERS[kind])
    else:
        from monitord.client.schemas import schema_of, write_schema

        print_lines(write_schema(schema_of(kind)).decode())
    return ExitCode.OK
