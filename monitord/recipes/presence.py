"""Which recipes apply to a window. Pure.

Most packs are for services that a session does not run. They apply only to windows with their metrics, so
that a summary is not a list of missing values.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from monitord.recipes.model import Recipe, metrics_of


def in_force(recipes: Sequence[Recipe], present: Collection[tuple[str, str]]) -> tuple[Recipe, ...]:
    """Return the recipes that always apply, and those of which a KPI has all its metrics.

    `present` are the metrics in the window, each with the job that has it.
    """
    found = set(present)
    return tuple(recipe for recipe in recipes if recipe.applies == "always" or _is_present(recipe, found))


def _is_present(recipe: Recipe, found: set[tuple[str, str]]) -> bool:
    names = {name for name, job in found if any(fnmatchcase(job, each) for each in recipe.services)}
    return any(names.issuperset(each) for kpi in recipe.kpis for each in metrics_of(kpi))
