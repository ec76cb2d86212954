"""Which recipes apply to a window, by the metrics in it. Pure.

Most packs are for services that a session does not run. They apply only to windows with their metrics, so
that a summary is not a list of missing values.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from monitord.kpis.promql import quote, session_matchers
from monitord.kpis.span import InstantQuery, Span
from monitord.prometheus.api.series import Answer
from monitord.recipes.model import Recipe, metrics_of


def presence_query(recipes: Sequence[Recipe], span: Span) -> InstantQuery | None:
    """Return the query for the metrics in the window, by job; None when no recipe depends on it."""
    optional = (recipe for recipe in recipes if recipe.applies == "when_present")
    kpis = [kpi for recipe in optional for kpi in recipe.kpis]
    names = sorted({name for kpi in kpis for names in metrics_of(kpi, span.native) for name in names})
    if not names:
        return None
    selector = f"{{__name__=~{quote('|'.join(names))},{session_matchers(span.session)}}}"
    return span.at_end(f"group by (__name__, job) (last_over_time({selector}{span.whole}))")


def in_force(recipes: Sequence[Recipe], present: Answer) -> tuple[Recipe, ...]:
    """Return the recipes that always apply, and those of which a KPI has all its metrics."""
    found = {(series.labels.get("__name__", ""), series.labels.get("job", "")) for series in present.series}
    return tuple(recipe for recipe in recipes if recipe.applies == "always" or _is_present(recipe, found))


def _is_present(recipe: Recipe, found: set[tuple[str, str]]) -> bool:
    names = {name for name, job in found if any(fnmatchcase(job, each) for each in recipe.services)}
    return any(names.issuperset(each) for kpi in recipe.kpis for each in metrics_of(kpi))
