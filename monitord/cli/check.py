"""`monitord check`."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitord.cli._output import say
from monitord.errors import ExitCode, InvalidFileError, InvalidInputError, MonitordError, Problem

if TYPE_CHECKING:
    from monitord.windows.markers import MarkerSpec, WindowSpec

_TELLING_KEYS = {
    "kpis": "recipe",
    "from": "window",
    "scrape_interval": "settings",
    "prometheus": "settings",
    "watch": "settings",
    "session": "settings",
}
KINDS = ("target", "window", "recipe", "settings")


@click.command("check")
@click.option(
    "--kind", type=click.Choice(KINDS), help="What the files are [default: seen from name and content]."
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def command(kind: str | None, files: tuple[Path, ...]) -> int:
    """Validate target, window, recipe and settings files offline.

    Every problem is one line on standard output, FILE:LINE:COLUMN: FIELD: MESSAGE; the exit code is
    then 1.

    \b
    Example:
      monitord check targets/*.yaml
      monitord check --kind recipe my-recipe.yaml
    """
    valid = True
    for file in files:
        try:
            what = _check(file, kind)
        except InvalidFileError as error:
            valid = False
            for problem in error.problems:
                say(f"{file}:{problem}")
        else:
            say(f"{file}: valid {what}", err=True)
    return ExitCode.OK if valid else ExitCode.INVALID


def _check(file: Path, kind: str | None) -> str:
    """Return what a valid file is. Raises InvalidFileError."""
    from monitord.targets.dropdir import read_file

    try:
        _, dropped = read_file(file.parent, file.name)
    except OSError as error:
        raise InvalidFileError([Problem(1, 1, "", f"cannot be read: {error.strerror}")]) from None
    if dropped.problem:
        raise InvalidFileError([Problem(1, 1, "", dropped.problem)])
    match kind or _kind_of(file, dropped.content):
        case "window":
            from monitord.windows.markers import read_marker, split_name

            name = file.name if split_name(file.name) else "any.yaml"
            marker = read_marker(name, dropped.modified_at, dropped.modified_ns, dropped.content)
            if marker.problems:
                raise InvalidFileError(marker.problems)
            if marker.spec is not None and marker.spec.slo:
                _check_conditions(file, dropped.content, marker.spec)
            return "window marker"
        case "recipe":
            from monitord.recipes.load import check_recipe

            return f"recipe with {len(check_recipe(dropped.content).kpis)} KPIs"
        case "settings":
            from monitord.session.settings import check_settings

            check_settings(dropped.content)
            return "settings file"
        case _:
            return _check_target(file, dropped.content)


def _check_conditions(file: Path, content: bytes, spec: MarkerSpec | WindowSpec) -> None:
    """Hold a marker's conditions against the recipes in force; outside of a session only those that
    come with monitord are known, and a KPI that is in none of them may be one's own."""
    from monitord.documents.conditions import misfit, parse_condition
    from monitord.documents.strict_yaml import read_document
    from monitord.recipes.load import load_recipes, select_recipes
    from monitord.recipes.model import measures_of

    folder = file.absolute().parent.parent
    in_session = (folder / "session.yaml").exists()
    try:
        recipes = load_recipes(folder / "recipes" if in_session else None)
        recipes = select_recipes(recipes, spec.recipes) if in_session else recipes
    except InvalidInputError as error:
        raise InvalidFileError([Problem(1, 1, "slo", f"cannot be checked: {error}")]) from None
    measures = measures_of(recipes)
    known = {name.partition(".")[0] for name in measures}
    document = read_document(content)
    for index, condition in enumerate(map(parse_condition, spec.slo)):
        problem = misfit(condition, measures) if in_session or condition.kpi in known else ""
        if problem:
            document.add(("slo", index), problem)
    if document.problems:
        raise InvalidFileError(document.problems)


def _check_target(file: Path, content: bytes) -> str:
    from monitord.targets.parse import parse
    from monitord.targets.resolve import Place

    try:
        registration = parse(content, file.name, "session", Place(socket.gethostname()))
    except InvalidFileError:
        raise
    except MonitordError as error:
        raise InvalidFileError([Problem(1, 1, "", str(error))]) from None
    return f"target file: {len(registration.endpoints)} endpoints of client {registration.client}"


def _kind_of(file: Path, content: bytes) -> str:
    """Tell what a file is meant as: by its folder and name, then by a key that only one kind has."""
    from monitord.documents.strict_yaml import read_document

    by_place = {"windows": "window", "targets": "target", "recipes": "recipe"}
    by_name = {"session.yaml": "settings", "monitord.yaml": "settings"}
    by_suffix = dict.fromkeys((".start", ".stop", ".cancel"), "window")
    kind = by_name.get(file.name) or by_suffix.get(file.suffix) or by_place.get(file.absolute().parent.name)
    if kind:
        return kind
    try:
        value = read_document(content).value
    except InvalidFileError:
        return "target"  # it is refused as any kind, for the same reasons
    keys = value.keys() if isinstance(value, dict) else set()
    return next((kind for key, kind in _TELLING_KEYS.items() if key in keys), "target")
