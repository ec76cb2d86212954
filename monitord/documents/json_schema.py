"""From models to JSON Schema draft 7, which is what editors read. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from monitord.documents.durations import format_duration

DIALECT = "http://json-schema.org/draft-07/schema#"


def json_schema(form: Any, title: str, description: str) -> dict[str, Any]:
    """Return the draft-7 schema of what a file may hold; `form` is a model, or a union of models."""
    adapter: TypeAdapter[Any] = TypeAdapter(form)
    schema = adapter.json_schema(ref_template="#/definitions/{model}", schema_generator=_Draft7)
    head = {"$schema": DIALECT, "title": title, "description": description}
    return {**head, **{key: value for key, value in schema.items() if key not in head}}


class _Draft7(GenerateJsonSchema):
    """pydantic's generator, without what only later drafts have, and with what an editor can use."""

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        generated = super().generate(schema, mode)
        if "$defs" in generated:
            generated["definitions"] = generated.pop("$defs")
        closed: JsonSchemaValue = _alone(generated)
        return closed

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False  # it would repeat the key, in capitals

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        generated = super().default_schema(schema)
        default = generated.get("default")
        if generated.get("type") == "string" and isinstance(default, float):
            generated["default"] = format_duration(default)  # as in the file
        elif default is None or default in ({}, []) or isinstance(default, dict):
            generated.pop("default", None)  # a default that nobody would write
        return generated

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        generated = super().dict_schema(schema)
        if "patternProperties" in generated:
            generated["additionalProperties"] = False
        return generated

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Write `type: [string, null]` where that is enough: editors explain it better than anyOf."""
        inner = self.generate_inner(schema["schema"])
        kinds = inner.get("type")
        if kinds is None or {"enum", "const"} & inner.keys():
            return super().nullable_schema(schema)
        return {**inner, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def _alone(value: Any) -> Any:
    """Wrap each `$ref` that has siblings, because draft 7 ignores them."""
    if isinstance(value, list):
        return [_alone(item) for item in value]
    if not isinstance(value, dict):
        return value
    closed = {key: _alone(item) for key, item in value.items()}
    if "$ref" in closed and len(closed) > 1:
        closed["allOf"] = [{"$ref": closed.pop("$ref")}]
    return closed
