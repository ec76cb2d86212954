"""Reading recipes: the packaged ones, and a session's own, which replace packaged ones by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from monitord.documents.strict_yaml import read_document
from monitord.documents.validation import validate
from monitord.errors import InvalidFileError, InvalidInputError
from monitord.recipes.model import Recipe
from monitord.system.listing import paths_in
from monitord.system.packaged import packaged


def packaged_folder() -> Path:
    """Return the folder of the recipes that come with monitord."""
    return packaged("recipes")


def load_recipes(session_folder: Path | None = None) -> tuple[Recipe, ...]:
    """Return all recipes in force, by name.

    Raises InvalidFileError naming the file, or InvalidInputError when two recipes claim one KPI.
    """
    recipes = {recipe.name: recipe for recipe in read_folder(packaged_folder())}
    if session_folder is not None:
        recipes |= {recipe.name: recipe for recipe in read_folder(session_folder, missing_ok=True)}
    in_force = tuple(recipes[name] for name in sorted(recipes))
    _refuse_shared_kpis(in_force)
    return in_force


def recipe_files(folder: Path, *, missing_ok: bool = False) -> list[Path]:
    """Return a folder's `*.yaml` and `*.yml` files, sorted. Raises OSError."""
    files = paths_in(folder, suffix=(".yaml", ".yml"), missing_ok=missing_ok)
    return [file for file in files if file.name[0] != "."]


def read_folder(folder: Path, *, missing_ok: bool = False) -> tuple[Recipe, ...]:
    """Return the recipes in a folder's `*.yaml` and `*.yml` files, by file name. Raises OSError."""
    recipes: dict[str, Recipe] = {}
    for file in recipe_files(folder, missing_ok=missing_ok):
        recipe = read_recipe(file)
        if recipe.name in recipes:
            raise InvalidInputError(
                f"{file}: there is another recipe {recipe.name} in this folder; rename one"
            )
        recipes[recipe.name] = recipe
    return tuple(recipes.values())


def check_recipe(content: bytes) -> Recipe:
    """Return the recipe in a file's content; raises InvalidFileError."""
    return validate(Recipe, read_document(content))


def read_recipe(file: Path) -> Recipe:
    """Return one recipe; raises InvalidFileError that names the file."""
    try:
        return check_recipe(file.read_bytes())
    except InvalidFileError as error:
        raise InvalidFileError(error.problems, str(file)) from None


def select_recipes(recipes: Sequence[Recipe], names: Iterable[str]) -> tuple[Recipe, ...]:
    """Return the recipes asked for by name, or all when none is.

    Raises InvalidInputError for an unknown name.
    """
    known = {recipe.name: recipe for recipe in recipes}
    wanted = dict.fromkeys(names)
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
            raise InvalidInputError(f"no recipe {name}; {hint}")
    return tuple(known[name] for name in wanted) or tuple(recipes)


def _refuse_shared_kpis(recipes: Sequence[Recipe]) -> None:
    owners: dict[str, str] = {}
    for recipe in recipes:
        for kpi in recipe.kpis:
            if kpi.name in owners:
                first = owners[kpi.name]
                raise InvalidInputError(
                    f"KPI {kpi.name} is in the recipes {first} and {recipe.name}; rename one"
                )
            owners[kpi.name] = recipe.name
