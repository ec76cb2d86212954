"""Validating the files that users write, offline: target files, window markers, recipes, settings."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from monitord.errors import InvalidFileError, InvalidInputError, MonitordError, Problem

if TYPE_CHECKING:
    from monitord.windows.markers import MarkerSpec, WindowSpec

# A key that only one kind of file has.
_KIND_BY_KEY = {
    "kpis": "recipe",
    "from": "window",
    "scrape_interval": "settings",
    "prometheus": "settings",
    "watch": "settings",
    "session": "settings",
}


def check_file(file: Path, kind: str | None = None) -> str:
    """Return in words what a valid file is. Raises InvalidFileError with every problem.

    Without a `kind`, it is detected from the file's folder, name and content.
    """
    from monitord.dropfolder.files import read_file

    try:
        _, dropped = read_file(file.parent, file.name)
    except OSError as error:
        raise _invalid("", f"cannot be read: {error.strerror}") from None
    if dropped.problem:
        raise _invalid("", dropped.problem)
    match kind or _kind_of(file, dropped.content):
        case "window":
            return _check_window(file, dropped.content, dropped.modified_at, dropped.modified_ns)
        case "recipe":
            from monitord.recipes.load import check_recipe

            return f"recipe with {len(check_recipe(dropped.content).kpis)} KPIs"
        case "settings":
            from monitord.session.settings import check_settings

            check_settings(dropped.content)
            return "settings file"
        case _:
            return _check_target(file, dropped.content)


def _check_window(file: Path, content: bytes, modified_at: float, modified_ns: int) -> str:
    from monitord.windows.markers import read_marker, split_name

    name = file.name if split_name(file.name) else "any.yaml"
    marker = read_marker(name, modified_at, modified_ns, content)
    if marker.problems:
        raise InvalidFileError(marker.problems)
    if marker.spec is not None and marker.spec.slo:
        _check_conditions(file, content, marker.spec)
    return "window marker"


def _check_conditions(file: Path, content: bytes, spec: MarkerSpec | WindowSpec) -> None:
    """Check a marker's SLO conditions against the recipes in force.

    Outside of a session only the packaged recipes are known, and an unknown KPI may be the user's own.
    """
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
        raise _invalid("slo", f"cannot be checked: {error}") from None
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
        raise _invalid("", str(error)) from None
    return f"target file: {len(registration.endpoints)} endpoints of client {registration.client}"


def _kind_of(file: Path, content: bytes) -> str:
    """Return the kind of a file: by its folder and name, else by a key that only one kind has."""
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
    return next((kind for key, kind in _KIND_BY_KEY.items() if key in keys), "target")


def _invalid(field: str, message: str) -> InvalidFileError:
    return InvalidFileError([Problem(1, 1, field, message)])
