"""Generate docs/settings.md from the model of the settings, so that each is described in one place.

`python -m tests.lint.settings_page` writes the page; a unit test compares it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monitord.client.schemas import schema_of
from monitord.daemon.settings_change import change
from monitord.session.settings import Settings, leaves

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

_HEAD = """\
# Settings

<!-- Generated from monitord/session/settings.py by `python -m tests.lint.settings_page`. -->

A flag beats `MONITORD_<SECTION>_<KEY>` in the environment, which beats the session's `session.yaml`, which
beats the site's file (`$MONITORD_CONFIG`, else `/etc/monitord/monitord.yaml`), which beats the default.
`monitord config show --origin` prints each value and its origin. Durations are written `500ms`, `5s`, `10m`,
`1h`, `2d`; in a variable, lists are comma-separated: `MONITORD_TARGETS_DENY="10.0.0.0/8,*.evil.org"`.

Settings marked with ↻ take effect in a running daemon on SIGHUP or `systemctl reload`, the others at its next
start.

| setting | default | meaning | |
|---|---|---|---|
"""


def settings_page() -> str:
    """Return the text of docs/settings.md."""
    rows = _rows(schema_of("settings"))
    return _HEAD + "".join(
        f"| `{key}` | {_written(default)} | {_meaning(item)} | {'↻' if key in _RELOADED else ''} |\n"
        for key, default, item in rows
    )


def _rows(
    schema: Mapping[str, Any], prefix: str = "", root: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    root = root or schema
    for name, item in schema["properties"].items():
        if "allOf" in item:
            section = root["definitions"][item["allOf"][0]["$ref"].rpartition("/")[2]]
            yield from _rows(section, f"{prefix}{name}.", root)
        else:
            key = f"{prefix}{name}"
            yield key, item.get("default", _DEFAULTS[key]), item


def _meaning(item: Mapping[str, Any]) -> str:
    choices = f" ({', '.join(f'`{choice}`' for choice in item['enum'])})" if "enum" in item else ""
    return f"{item['description']}{choices}"


def _written(default: Any) -> str:
    if default is None:
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _reloaded() -> frozenset[str]:
    """Return the keys that a running daemon applies, by changing each of them alone."""
    held = Settings()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's, about the placeholder that `_with` puts in
        return frozenset(key for key in _DEFAULTS if change(held, _with(held, key.split("."))).changed)


def _with(section: Any, path: list[str]) -> Any:
    name, *rest = path
    value = _with(getattr(section, name), rest) if rest else object()
    return section.model_copy(update={name: value})


_DEFAULTS = dict(leaves(Settings().model_dump()))
_RELOADED = _reloaded()


if __name__ == "__main__":
    PAGE.write_text(settings_page(), encoding="utf-8")
