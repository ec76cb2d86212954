"""The format of a recipe file: KPIs, each with the metric that it is read from and its stats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError

from monitord.documents.conditions import REPORTED, ConditionText, Measure, misfit, parse_condition
from monitord.documents.strict_yaml import Refused
from monitord.documents.validation import Duration, Model, Name, Unit, refuse
from monitord.kpis.kinds import KindName, kind_of

T = TypeVar("T")
GroupLabel = Literal["client", "service", "node", "gpu"]

_METRIC = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_MATCHER = r'\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(?:=~|!~|!=|=)\s*"(?:[^"\\\n]|\\[^\n])*"\s*'
_MATCHERS = rf"{_MATCHER}(?:,{_MATCHER})*"
_SELECTOR = rf"({_METRIC})(?:\{{({_MATCHERS})\}})?"
_LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
_KPI_NAME = r"[a-z][a-z0-9_]{0,63}"
_JOB_PATTERN = r"[A-Za-z0-9._*?-]{1,128}"


def _matching(pattern: str, message: str) -> AfterValidator:
    return AfterValidator(_check(pattern, message))


def _check(pattern: str, message: str) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise refuse(f"{text!r} is not {message}")
        return text

    return check


def _some(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise refuse("the list is empty; it needs at least one item")
    return values


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise refuse(f"{value} is listed twice; keep one of them")
    return values


def _form(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


KpiName = Annotated[
    str,
    _matching(_KPI_NAME, "a KPI name; use lower case letters, digits and _"),
    _form(_KPI_NAME),
]
_check_metric = _check(_METRIC, "a metric name; put label matchers under `match`")
MetricName = Annotated[str, AfterValidator(_check_metric), _form(_METRIC)]
Matchers = Annotated[
    str,
    _matching(_MATCHERS, 'a list of label matchers such as mode!="idle",cpu=~"0|1"'),
    _form(_MATCHERS),
]
Selector = Annotated[
    str,
    _matching(_SELECTOR, 'a selector such as my_total or my_total{code="200"}'),
    _form(_SELECTOR),
]
LabelName = Annotated[
    str,
    _matching(_LABEL, "a label name; use letters, digits and _"),
    _form(_LABEL),
]
JobPattern = Annotated[
    str,
    _matching(_JOB_PATTERN, "a job name pattern; use a name, * and ?"),
    _form(_JOB_PATTERN),
]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
# A list in YAML becomes a tuple here, so that a recipe is immutable all through.
_UNIQUE: dict[str, JsonValue] = {"uniqueItems": True}
_SOME_UNIQUE: dict[str, JsonValue] = {"minItems": 1, "uniqueItems": True}
Stats = Annotated[
    tuple[Text, ...],
    Field(strict=False, json_schema_extra=_SOME_UNIQUE),
    AfterValidator(_some),
    AfterValidator(_unique),
]
DistinctLabels = Annotated[
    tuple[LabelName, ...], Field(strict=False, json_schema_extra=_UNIQUE), AfterValidator(_unique)
]
GroupLabels = Annotated[
    tuple[GroupLabel, ...], Field(strict=False, json_schema_extra=_UNIQUE), AfterValidator(_unique)
]
JobPatterns = Annotated[
    tuple[JobPattern, ...],
    Field(strict=False, json_schema_extra=_SOME_UNIQUE),
    AfterValidator(_some),
    AfterValidator(_unique),
]
Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Source(Model, title="metric"):
    """One of several metrics that a KPI can be read from, with keys that replace the KPI's own if it is."""

    name: MetricName = Field(description="the metric's name")
    match: Matchers | None = Field(default=None, description="`match` of this metric")
    per: Selector | None = Field(default=None, description="`per` of this metric")
    buckets: MetricName | None = Field(default=None, description="`buckets` of this metric")
    scale: Scale | None = Field(default=None, description="`scale` of this metric")


def _source(value: Any) -> Any:
    """Accept a name in place of the keys of a source."""
    if isinstance(value, str):
        return Source(name=_check_metric(value))
    if isinstance(value, dict | Source | Refused):
        return value
    raise PydanticKnownError("string_type")


def _sources(value: Any) -> Any:
    """Accept a name in place of a list."""
    if isinstance(value, dict):
        raise PydanticKnownError("string_type")
    return tuple(value) if isinstance(value, list | tuple) else (_source(value),)


class _NameOrList:
    """Describes sources in the JSON Schema: a name, or a list of names and of keys."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        name: JsonSchemaValue = {"type": "string", "pattern": f"^(?:{_METRIC})$"}
        schema = handler(core_schema)
        several = {**schema, **_SOME_UNIQUE, "items": {"anyOf": [name, schema["items"]]}}
        return {"anyOf": [name, several]}


def _unique_sources(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    for source in sources:
        if sources.count(source) > 1:
            raise refuse(f"{source.name} is listed twice; keep one of them")
    return sources


Sources = Annotated[
    tuple[Annotated[Source, BeforeValidator(_source)], ...],
    BeforeValidator(_sources),
    AfterValidator(_some),
    AfterValidator(_unique_sources),
    _NameOrList(),
]


_OWN = ("match", "per", "buckets", "scale")  # the keys of a source that replace the KPI's own
# What each kind requires, as far as a schema can express it without knowing what is null.
_KINDS: dict[str, JsonValue] = {
    "if": {"properties": {"kind": {"const": "expr"}}},
    "then": {"required": ["expr"]},
    "else": {"required": ["metric"]},
}


class Kpi(Model, title="KPI", json_schema_extra=_KINDS):
    """One key performance indicator.

    `metric` may be a list, of which the first one that the window holds is used. `match` narrows it by
    label matchers. `buckets` (histograms only) names bucket series that have no count and sum beside them.
    `per` (counters only) is a second counter whose increase divides the first's, so that
    `mean` is a ratio instead of a rate per second. `scale` turns what is measured into `unit`. `by` names
    the scopes beside `session` that get rows. Series that agree in all labels under `distinct` are the same
    thing, seen through several targets or several series, and count once.

    `expr` is PromQL evaluated at the window's end, once per scope. In it `$window` is the
    window as a range (`[20123ms]`), `$selector` for the matchers that pick the session's series,
    `$by` for the scope's grouping labels: `sum by ($by) (increase(a_total{$selector}$window))`.
    """

    name: KpiName = Field(description="the KPI's name in the results")
    help: Text = Field(description="what it measures, in a sentence")
    unit: Unit = Field(description="its unit, such as requests/s, ms or %")
    kind: KindName = Field(description="how it is read: from a metric of that type, or by PromQL (expr)")
    sources: Sources | None = Field(
        default=None,
        alias="metric",
        description="the metric that it is read from, or a list of which the first one there is used",
    )
    match: Matchers | None = Field(
        default=None, description='label matchers that narrow the metric, such as code!="404"'
    )
    per: Selector | None = Field(
        default=None, description="counters only: a second counter, whose increase divides the first's"
    )
    buckets: MetricName | None = Field(
        default=None,
        description="histograms only: the series with the label `le`, where they are not METRIC_bucket",
    )
    expr: Annotated[str, Field(min_length=1, max_length=10_000)] | None = Field(
        default=None, description="kind expr only: PromQL with $selector, $window and $by"
    )
    scale: Scale = Field(default=1.0, description="factor from what is measured into the unit")
    better: Literal["lower", "higher"] | None = Field(
        default=None, description="which way is better when two windows are compared; default: neither"
    )
    stats: Stats = Field(
        description="the statistics to compute, by kind: mean, min, max, std, rate, total, count, p99"
    )
    distinct: DistinctLabels = Field(
        default=(), description="labels: series that agree in all of them are the same thing, and count once"
    )
    by: GroupLabels = Field(default=(), description="scopes beside the session that get rows of their own")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Kpi:
        try:
            for each in self.alternatives():
                kind_of(self.kind).check(each)
        except ValueError as error:
            raise refuse(str(error)) from None
        return self

    @property
    def metric(self) -> str | None:
        """The metric that it is read from: the first one, if there are several."""
        return self.sources[0].name if self.sources else None

    def alternatives(self) -> tuple[Kpi, ...]:
        """Return the KPI once for each metric that it can be read from, best first."""
        return tuple(map(self._read_from, self.sources or ())) or (self,)

    def _read_from(self, source: Source) -> Kpi:
        own = {key: value for key in _OWN if (value := getattr(source, key)) is not None}
        return self.model_copy(update={"sources": (source,), **own})

    def unit_of(self, stat: str) -> str:
        """Return the unit of one stat: some are not in the KPI's own."""
        return kind_of(self.kind).unit_of(self, stat)

    def scale_of(self, stat: str) -> float:
        """Return the factor from what is measured into the stat's unit."""
        return kind_of(self.kind).scale_of(self, stat)


def _measures(kpis: Iterable[Kpi]) -> dict[str, Measure]:
    return {
        f"{kpi.name}.{stat}": Measure(kpi.unit_of(stat), ("session", *kpi.by))
        for kpi in kpis
        for stat in kpi.stats
    }


def _about_own_kpis(text: str, info: ValidationInfo) -> str:
    """Refuse a condition on anything but the recipe's own KPIs, unless these were refused themselves."""
    condition, kpis = parse_condition(text), info.data.get("kpis")
    if condition.kpi.startswith(REPORTED):
        raise refuse(
            "a recipe cannot have conditions on reported.*; put the condition into the window's marker"
        )
    if kpis is not None and (problem := misfit(condition, _measures(kpis))):
        raise refuse(problem)
    return text


OwnCondition = Annotated[ConditionText, AfterValidator(_about_own_kpis)]


class Recipe(Model, title="recipe"):
    """A recipe file: KPIs for the targets whose job name fits one of the patterns in `services`."""

    name: Name = Field(description="the recipe's name; a session's own replaces a packaged one")
    help: Text = Field(description="what it is about, in a sentence")
    services: JobPatterns = Field(default=("*",), description="job names (with * and ?) that it fits")
    applies: Literal["always", "when_present"] = Field(
        default="always", description="when_present: only to windows that hold a metric of one of its KPIs"
    )
    warmup: Duration | None = Field(
        default=None, description="time at a window's start that its KPIs leave out, such as 30s"
    )
    cooldown: Duration | None = Field(
        default=None, description="time at a window's end that its KPIs leave out"
    )
    kpis: Annotated[
        tuple[Kpi, ...], Field(strict=False, json_schema_extra={"minItems": 1}), AfterValidator(_some)
    ] = Field(description="the KPIs")
    # After `kpis`, which it is checked against.
    slo: Annotated[tuple[OwnCondition, ...], Field(strict=False)] = Field(
        default=(), description="conditions on its KPIs, judged in every window that it is in force for"
    )

    @model_validator(mode="after")
    def _names_each_kpi_once(self) -> Recipe:
        _unique(tuple(kpi.name for kpi in self.kpis))
        return self

    @model_validator(mode="after")
    def _can_be_present(self) -> Recipe:
        if self.applies == "when_present" and not any(map(metrics_of, self.kpis)):
            raise refuse("applies: when_present needs at least one KPI with a metric (an expr has none)")
        return self


def metrics_of(kpi: Kpi, native: bool = True) -> tuple[tuple[str, ...], ...]:
    """Return sets of metrics: a window can have the KPI if it has all of any one set; empty if unknown."""
    kind = kind_of(kpi.kind)
    return tuple(names for each in kpi.alternatives() for names in kind.required_metrics(each, native))


def measures_of(recipes: Iterable[Recipe]) -> dict[str, Measure]:
    """Return every `KPI.STAT` of these recipes."""
    return _measures(kpi for recipe in recipes for kpi in recipe.kpis)


GROUP_LABELS: tuple[GroupLabel, ...] = get_args(GroupLabel)
