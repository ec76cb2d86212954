"""What a recipe file may say: KPIs, each with the metric it is read from and the stats it gives."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, Field, model_validator

from monitord.documents import read_document
from monitord.validation import Model, Name, refuse, validate

Kind = Literal["counter", "gauge", "histogram", "expr"]
T = TypeVar("T")
GroupLabel = Literal["client", "service", "node", "gpu"]

_METRIC = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_MATCHER = r'\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(?:=~|!~|!=|=)\s*"(?:[^"\\\n]|\\[^\n])*"\s*'
_MATCHERS = rf"{_MATCHER}(?:,{_MATCHER})*"
_PLACEHOLDER = re.compile(r"\$[A-Za-z_]*")
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,3})?)", re.ASCII)
_STATS: dict[str, tuple[str, ...]] = {
    "counter": ("mean", "min", "max", "total"),
    "gauge": ("mean", "min", "max"),
    "histogram": ("mean", "count"),
    "expr": ("value",),
}


def _matching(pattern: str, message: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise refuse(f"{text!r} is not {message}")
        return text

    return AfterValidator(check)


def _some(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise refuse("the list is empty; it needs at least one item")
    return values


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise refuse(f"{value} is listed twice; keep one of them")
    return values


KpiName = Annotated[
    str, _matching(r"[a-z][a-z0-9_]{0,63}", "a KPI name; use lower case letters, digits and _")
]
MetricName = Annotated[str, _matching(_METRIC, "a metric name; put label matchers under `match`")]
Matchers = Annotated[
    str, _matching(_MATCHERS, 'a list of label matchers such as mode!="idle",cpu=~"0|1"')
]
Selector = Annotated[
    str,
    _matching(
        rf"({_METRIC})(?:\{{({_MATCHERS})\}})?",
        'a selector such as my_total or my_total{code="200"}',
    ),
]
JobPattern = Annotated[
    str, _matching(r"[A-Za-z0-9._*?-]{1,128}", "a job name pattern; use a name, * and ?")
]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
# A list in YAML becomes a tuple here, so that a recipe is immutable all through.
Stats = Annotated[
    tuple[Text, ...], Field(strict=False), AfterValidator(_some), AfterValidator(_unique)
]
GroupLabels = Annotated[tuple[GroupLabel, ...], Field(strict=False), AfterValidator(_unique)]
JobPatterns = Annotated[
    tuple[JobPattern, ...], Field(strict=False), AfterValidator(_some), AfterValidator(_unique)
]


class Kpi(Model):
    """One key performance indicator.

    `match` narrows `metric` by label matchers. `per` (counters only) is a second counter whose
    increase divides the first's, so that `mean` is a ratio instead of a rate per second. `scale`
    turns what is measured into `unit`. `by` names the scopes beside `session` that get rows.

    `expr` is PromQL evaluated at the window's end, once a scope. In it `$window` stands for the
    window as a range (`[20123ms]`), `$selector` for the matchers that pick the session's series,
    `$by` for the scope's grouping labels: `sum by ($by) (increase(a_total{$selector}$window))`.
    """

    name: KpiName
    help: Text
    unit: Text
    kind: Kind
    metric: MetricName | None = None
    match: Matchers | None = None
    per: Selector | None = None
    expr: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    stats: Stats
    by: GroupLabels = ()

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Kpi:
        if self.kind == "expr":
            self._check_expression()
        elif self.expr is not None:
            raise refuse(f"expr is for kind expr; a {self.kind} names its metric")
        elif self.metric is None:
            raise refuse(f"a {self.kind} needs a metric")
        if self.per is not None and self.kind != "counter":
            raise refuse("per is for counters only")
        for stat in self.stats:
            self._check_stat(stat)
        return self

    def _check_expression(self) -> None:
        if self.expr is None:
            raise refuse("kind expr needs an expr")
        if self.metric is not None or self.match is not None:
            raise refuse("kind expr takes no metric and no match; write them into expr")
        used = set(_PLACEHOLDER.findall(self.expr))
        if unknown := sorted(used - {"$window", "$selector", "$by"}):
            raise refuse(f"{unknown[0]} stands for nothing; known: $window, $selector, $by")
        if "$selector" not in used:
            raise refuse(
                "expr must select its series with {$selector}, or other sessions' would count too"
            )
        if self.by and "$by" not in used:
            raise refuse(
                "expr must group by ($by), since `by` asks for more scopes than the session"
            )

    def _check_stat(self, stat: str) -> None:
        known = _STATS[self.kind]
        if stat not in known and not (self.kind == "histogram" and quantile_of(stat)):
            percentiles = ", p50, p99.9 and other percentiles" if self.kind == "histogram" else ""
            raise refuse(
                f"a {self.kind} has no stat {stat!r}; it has {', '.join(known)}{percentiles}"
            )
        if stat == "total" and (self.per is not None or not self.unit.endswith("/s")):
            raise refuse("total needs a unit per second (such as requests/s) and no `per`")

    def unit_of(self, stat: str) -> str:
        """Return the unit of one stat: totals and counts are not in the KPI's own."""
        if stat == "total":
            return self.unit.removesuffix("/s")
        return "observations" if stat == "count" else self.unit


class Recipe(Model):
    """A recipe file: KPIs for the targets whose job name fits one of the patterns in `services`."""

    name: Name
    help: Text
    services: JobPatterns = ("*",)
    kpis: Annotated[tuple[Kpi, ...], Field(strict=False), AfterValidator(_some)]

    @model_validator(mode="after")
    def _names_each_kpi_once(self) -> Recipe:
        _unique(tuple(kpi.name for kpi in self.kpis))
        return self


GROUP_LABELS: tuple[GroupLabel, ...] = get_args(GroupLabel)


def quantile_of(stat: str) -> float | None:
    """Return 0.999 for `p99.9`; None when the stat is no percentile between p0 and p100."""
    match = _PERCENTILE.fullmatch(stat)
    return float(Decimal(match[1]) / 100) or None if match else None


def check_recipe(content: bytes) -> Recipe:
    """Return the recipe that a file's content stands for; raises InvalidFileError."""
    return validate(Recipe, read_document(content))
