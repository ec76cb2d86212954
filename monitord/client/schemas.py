"""The JSON Schemas of every kind of file that users write, for editors. Pure."""

from __future__ import annotations

import json
from typing import Any

from monitord.documents.json_schema import json_schema
from monitord.recipes.model import Recipe
from monitord.session.settings import Settings
from monitord.targets.spec import TargetFileSpec
from monitord.windows.markers import StopMarkerSpec, WindowSpec

_FORMS: dict[str, tuple[Any, str, str]] = {
    "targets": (
        TargetFileSpec,
        "monitord target file",
        "What to scrape for one client. A file in targets/, named *.yaml or *.yml.",
    ),
    # Only its name distinguishes a start or cancel marker from a stop marker, which may have results.
    "window": (
        StopMarkerSpec | WindowSpec,
        "monitord window marker",
        "A start, stop or cancel marker, or a past window. A file in windows/.",
    ),
    "recipe": (
        Recipe,
        "monitord recipe",
        "KPIs of a window. A file in the session's recipes/, added to the packaged recipes.",
    ),
    "settings": (Settings, "monitord settings", "A session's session.yaml, or the site's monitord.yaml."),
}
KINDS = tuple(_FORMS)


def schema_of(kind: str) -> dict[str, Any]:
    """Return the schema of one kind of file."""
    return json_schema(*_FORMS[kind])


def all_schemas() -> dict[str, bytes]:
    """Return the text of every schema by the name of its file."""
    return {f"{kind}.json": write_schema(schema_of(kind)) for kind in KINDS}


def write_schema(schema: dict[str, Any]) -> bytes:
    """Return a schema as text."""
    return (json.dumps(schema, indent=2) + "\n").encode()
