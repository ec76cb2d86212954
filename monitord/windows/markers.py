"""Window markers: the files in `windows/`, by name and content. Pure.

`<id>.start`, `<id>.stop` and `<id>.cancel` mean their modification time, or the time in `at:`;
`<id>.yaml` requests any past window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic_core import CoreSchema

from monitord.documents.conditions import ConditionText
from monitord.documents.strict_yaml import Refused, read_document
from monitord.documents.validation import Duration, Labels, Model, Name, UnitOrNone, refuse, validate
from monitord.errors import InvalidFileError, Problem
from monitord.system.names import bad_name, is_name
from monitord.system.timestamps import YEAR_10000, check_moment, from_iso

KINDS = ("start", "stop", "cancel", "yaml")


def _moment(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        return from_iso(value) if isinstance(value, str) else check_moment(float(value))
    except ValueError as error:
        raise refuse(str(error)) from None


def _number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"value": value}
    if not isinstance(value, dict | Refused):
        raise refuse("expected a number, or {value: NUMBER, unit: UNIT}")
    return value


class _OrNumber:
    """Adds to the schema that `_number` also accepts a number alone."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "number"}, handler(schema)]}


_ZONE = r"(Z|[+-][0-9][0-9:.,]*)"
_MOMENT_SCHEMA = {
    "type": ["string", "number"],
    "pattern": rf"^([0-9]{{1,15}}(\.[0-9]{{1,9}})?|[0-9]{{4}}[0-9W-]*[T ][0-9:.,]+{_ZONE})$",
    "minimum": 0,
    "exclusiveMaximum": YEAR_10000,
    "examples": ["2026-01-31T09:30:00Z"],
}
Moment = Annotated[float, BeforeValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA)]


class ReportedResult(Model, title="reported result"):
    """A number that the client measured itself."""

    value: float = Field(description="the number")
    unit: UnitOrNone = Field(default="", description="its unit, such as ms")


Results = dict[Name, Annotated[ReportedResult, BeforeValidator(_number), _OrNumber()]]


class MarkerSpec(Model):
    """What a `.start` or `.cancel` marker may hold."""

    at: Moment | None = Field(default=None, description="the moment meant, instead of the file's own time")
    labels: Labels = Field(default={}, description="labels of the window, kept in its manifest")
    recipes: list[Name] = Field(default=[], description="recipes to compute; default: all that are in force")
    slo: list[ConditionText] = Field(
        default=[], description="conditions such as latency.p99 < 250 ms, judged when it is collected"
    )
    warmup: Duration | None = Field(
        default=None, description="time at the window's start that is not measured, such as 30s"
    )
    cooldown: Duration | None = Field(
        default=None, description="time at the window's end that is not measured"
    )


class StopMarkerSpec(MarkerSpec, title="marker"):
    """What a `.stop` marker may hold."""

    results: Results = Field(
        default={}, description="what the client itself measured: name: number, or name: {value, unit}"
    )


class WindowSpec(Model, title="past window"):
    """What a `windows/<id>.yaml` holds: any past window."""

    from_: Moment = Field(alias="from", description="where the window begins")
    to: Moment = Field(description="where the window ends")
    labels: Labels = Field(default={}, description="labels of the window, kept in its manifest")
    recipes: list[Name] = Field(default=[], description="recipes to compute; default: all that are in force")
    slo: list[ConditionText] = Field(
        default=[], description="conditions such as latency.p99 < 250 ms, judged when it is collected"
    )
    warmup: Duration | None = Field(
        default=None, description="time at the window's start that is not measured, such as 30s"
    )
    cooldown: Duration | None = Field(
        default=None, description="time at the window's end that is not measured"
    )
    results: Results = Field(
        default={}, description="what the client itself measured: name: number, or name: {value, unit}"
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> WindowSpec:
        if self.to <= self.from_:
            raise refuse("to must be later than from")
        return self


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker: `at` is the time that it means (Unix seconds), `modified_ns` its modification time.

    `uid` is the user whose file it is.
    """

    window_id: str
    kind: str
    at: float
    modified_ns: int
    spec: MarkerSpec | WindowSpec | None = None
    problems: tuple[Problem, ...] = ()
    uid: int = -1

    @property
    def file(self) -> str:
        return f"{self.window_id}.{self.kind}"


def split_name(name: str) -> tuple[str, str] | None:
    """Return the window id and kind in the name of a marker, or None for any other name.

    The id may not be a valid name; `read_marker` reports that.
    """
    window_id, _, kind = name.rpartition(".")
    return (window_id, kind) if window_id and kind in KINDS and name[0] != "." else None


def is_marker(name: str) -> bool:
    """Return whether a name in the drop folder is meant as a marker."""
    return split_name(name) is not None


def read_marker(
    name: str, modified_at: float, modified_ns: int, content: bytes, problem: str = "", uid: int = -1
) -> Marker:
    """Return the marker in a file, with its problems if it cannot be used."""
    parts = split_name(name)
    if parts is None:
        raise ValueError(f"{name!r} is not the name of a marker")
    window_id, kind = parts
    if not is_name(window_id):
        problem = bad_name(window_id, "window")
    if problem:
        return Marker(window_id, kind, modified_at, modified_ns, None, (Problem(1, 1, "", problem),), uid)
    try:
        spec = parse_marker(kind, content)
    except InvalidFileError as error:
        return Marker(window_id, kind, modified_at, modified_ns, None, error.problems, uid)
    at = spec.at if isinstance(spec, MarkerSpec) and spec.at is not None else modified_at
    problems = () if isinstance(spec, WindowSpec) else _check_time(at)
    return Marker(window_id, kind, at, modified_ns, spec, problems, uid)


def _check_time(modified_at: float) -> tuple[Problem, ...]:
    try:
        check_moment(modified_at)
    except ValueError:
        return (Problem(1, 1, "", "its modification time is before 1970 or after 9999; touch it again"),)
    return ()


def parse_marker(kind: str, content: bytes) -> MarkerSpec | WindowSpec:
    """Return the content of a marker, which may be empty. Raises InvalidFileError."""
    model = _MODELS[kind]
    if not content.strip() and model is not WindowSpec:
        return model.model_validate({})
    return validate(model, read_document(content))


_MODELS: Mapping[str, type[MarkerSpec | WindowSpec]] = {
    "start": MarkerSpec,
    "stop": StopMarkerSpec,
    "cancel": MarkerSpec,
    "yaml": WindowSpec,
}
