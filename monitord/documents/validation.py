"""The only place that validates with pydantic: models of what users write, and errors with line and column.

Everything a user can write in a file has a model derived from `Model`; `validate` turns a document
into an instance of it or into every problem at once, each at its line and column.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from monitord.documents.durations import parse_duration
from monitord.documents.strict_yaml import Document, FieldPath, PlainFloat, PlainInt, Refused, holds_secret
from monitord.errors import InvalidFileError, excerpt
from monitord.system.names import NAME_PATTERN, NAME_RULE, is_name

RESERVED_LABELS = frozenset(("job", "instance", "session", "client", "node", "service", "le", "quantile"))
MAX_LABEL_VALUE = 1024

# Units go into tables, where spreadsheets would execute one that begins like a formula.
_IN_UNITS = "A-Za-z0-9_%‰°²³µ$€£À-ÖØ-öø-ÿΑ-ω"  # Greek ones are meant
_UNIT = re.compile(rf"[{_IN_UNITS}](?:[{_IN_UNITS}/.·*^() -]{{0,62}}[{_IN_UNITS})])?")
_A_UNIT = (
    "a unit; write something like ms, requests/s, 1/s or °C: at most 64 characters; "
    "letters, digits, % and °, after the first also / . * ^ - ( ) and spaces"
)
_LABEL_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,127}", re.ASCII)


class Model(BaseModel):
    """What users write: frozen, strictly typed, no unknown keys.

    `refused_keys` has advice on keys that people try but that are deliberately not supported.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    refused_keys: ClassVar[Mapping[str, str]] = {}


ModelT = TypeVar("ModelT", bound=Model)


def refuse(message: str) -> PydanticCustomError:
    """Return an error for a validator to raise, with our own message."""
    return PydanticCustomError("refused", "{message}", {"message": message})


def _duration(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _as_written(value)
        raise refuse(f"{number} has no unit; write {number}s, or use ms, m, h or d")
    if not isinstance(value, str):
        return value
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise refuse(str(error)) from None
    if seconds < 0.001:
        raise refuse("a duration must be at least 1ms")
    return seconds


def _formed(form: re.Pattern[str], value: Any, what: str) -> Any:
    if isinstance(value, str) and not form.fullmatch(value):
        raise refuse(f"'{excerpt(value)}' is not {what}")
    return value


def _name(value: Any) -> Any:
    if isinstance(value, PlainInt | PlainFloat):
        value = value.text
    if isinstance(value, str) and not is_name(value):
        raise refuse(f"'{excerpt(value)}' is not a name; {NAME_RULE}")
    return value


def _unit(value: Any) -> Any:
    return _formed(_UNIT, value, _A_UNIT)


def _unit_or_none(value: Any) -> Any:
    return value if value == "" else _unit(value)


def _label_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise refuse(f'a label value is text; quote it: "{str(value).lower()}"')
    if isinstance(value, PlainInt | PlainFloat):
        value = value.text
    if isinstance(value, str) and len(value) > MAX_LABEL_VALUE:
        raise refuse(f"{len(value)} characters; at most {MAX_LABEL_VALUE} are allowed")
    return value


def _label_name(value: str) -> str:
    if value in RESERVED_LABELS:
        raise refuse(f"label {value} is set by monitord; choose another name")
    if value.startswith("__"):
        raise refuse(
            f"label {excerpt(value)} begins with __, which is reserved for Prometheus; choose another name"
        )
    if not _LABEL_NAME.fullmatch(value):
        raise refuse(f"'{excerpt(value)}' is not a label name; use a letter, then letters, digits and _")
    return value


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^(?!0+(\.0+)?[a-z])[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$",
    "examples": ["5s", "10m"],
}
# In JSON Schema a pattern applies only to strings, and a minimum only to numbers.
_NAME_SCHEMA = {"type": ["string", "number"], "pattern": f"^{NAME_PATTERN}$", "minimum": 0}
_LABEL_NAME_SCHEMA = {
    "type": "string",
    "pattern": f"^(?!(?:{'|'.join(sorted(RESERVED_LABELS))})$){_LABEL_NAME.pattern}$",
}
_UNIT_SCHEMA = {"type": "string", "pattern": f"^{_UNIT.pattern}$"}
_UNIT_OR_NONE_SCHEMA = {"type": "string", "pattern": f"^({_UNIT.pattern})?$"}
_LABEL_VALUE_SCHEMA = {"type": ["string", "number"], "maxLength": MAX_LABEL_VALUE}

Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Name = Annotated[str, BeforeValidator(_name), WithJsonSchema(_NAME_SCHEMA)]
LabelName = Annotated[str, BeforeValidator(_label_name), WithJsonSchema(_LABEL_NAME_SCHEMA)]
Unit = Annotated[str, BeforeValidator(_unit), WithJsonSchema(_UNIT_SCHEMA)]
UnitOrNone = Annotated[str, BeforeValidator(_unit_or_none), WithJsonSchema(_UNIT_OR_NONE_SCHEMA)]
LabelValue = Annotated[str, BeforeValidator(_label_value), WithJsonSchema(_LABEL_VALUE_SCHEMA)]
Labels = dict[LabelName, LabelValue]


_EXPECTED = {
    "string_type": "text",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "list_type": "a list",
    "tuple_type": "a list",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


def validate(model: type[ModelT], document: Document) -> ModelT:
    """Return the document as an instance of the model.

    Raises InvalidFileError with the document's own problems and all that validation found.
    """
    if document.value is None:
        document.add((), "the file is empty; start from an example: monitord schema KIND --example")
    elif not isinstance(document.value, dict | Refused):
        document.add((), f"expected keys and values, found {_kind(document.value)}")
    if isinstance(document.value, dict):
        try:
            instance = model.model_validate(document.value)
        except ValidationError as error:
            _add_problems(model, document, error)
        else:
            if not document.problems:
                return instance
    raise InvalidFileError(document.problems)


def _add_problems(model: type[Model], document: Document, error: ValidationError) -> None:
    details = error.errors(include_url=False, include_context=True)
    document.forget({detail["loc"] for detail in details if detail["type"] == "extra_forbidden"})
    for detail in details:
        path = tuple(part for part in detail["loc"] if part != "[key]")
        is_unknown = detail["type"] == "extra_forbidden"
        if isinstance(detail["input"], Refused) and not is_unknown:
            continue  # noted when it was read
        of_key = is_unknown or detail["loc"][-1:] == ("[key]",)
        document.add(path, _message(model, path, detail), of_key=of_key)


def _message(model: type[Model], path: FieldPath, detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        holder, key = _model_at(model, path[:-1]), str(path[-1])
        if holder is not None and key in holder.refused_keys:
            return holder.refused_keys[key]
        return f"unknown key{did_you_mean(key, _keys(holder))}"
    if kind == "missing":
        return "this key is required"
    if kind in _EXPECTED or kind == "literal_error":
        expected = _EXPECTED.get(kind) or detail["ctx"]["expected"]
        unquoted = kind == "string_type" and isinstance(value, int | float)
        hint = f'; quote it: "{_as_written(value)}"' if unquoted else ""
        if kind == "literal_error" and isinstance(value, str):
            hint = _near(value, re.findall("'([^']*)'", expected))
        found = (
            "a value that is not shown because it may be a secret"
            if holds_secret(path)
            else f"{_kind(value)}{hint}"
        )
        return f"expected {expected}, found {found}"
    return detail["msg"].removeprefix("Input ").replace("should be", "must be")


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {_as_written(value)}"
        case int() | float():
            return f"the number {_as_written(value)}"
        case str():
            return f"the text '{excerpt(value)}'"
        case list():
            return "a list"
        case _:
            return "keys and values"


def _as_written(value: Any) -> str:
    """Write a number or truth value as its file did: `1.10` and `true`, not `1.1` and `True`."""
    if isinstance(value, bool):
        return str(value).lower()
    return excerpt(str(getattr(value, "text", value)))


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a suffix for the message on an unknown word: the nearest known one, or all of them."""
    return _near(word, known) or (f"; known here: {', '.join(known)}" if known else "")


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _model_at(model: type[Model], path: FieldPath) -> type[Model] | None:
    """Return the model at `path`, following fields, lists and dictionaries."""
    current: type[Model] | None = model
    for part in path:
        if current is not None and part in current.model_fields:
            current = _model_in(current.model_fields[str(part)].annotation)
        # Any other part is an item of a list or the value of a dictionary of the same model.
    return current


def _keys(model: type[Model] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> type[Model] | None:
    """Return the model that an annotation is or holds (list[M], dict[str, M], M | None)."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
