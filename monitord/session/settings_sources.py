"""Read the settings from their sources.

A flag beats `MONITORD_<SECTION>_<KEY>` in the environment, which beats the session's
`session.yaml`, which beats the site's file, which beats the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.documents.strict_yaml import Document, Refused, read_document
from monitord.documents.validation import did_you_mean, validate
from monitord.errors import InvalidFileError, InvalidInputError, Problem
from monitord.session.settings import UNAVAILABLE, Settings, leaves, nested
from monitord.system.atomic import read_if_exists

SITE_FILE = Path("/etc/monitord/monitord.yaml")


@dataclass(frozen=True)
class Origin:
    """A value and where it was set: `flag`, an environment variable, a file, or `default`."""

    value: Any
    source: str


def load_settings(
    session_file: Path | None,
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Settings, dict[str, Origin]]:
    """Merge all sources; return the settings, and the origin of every dotted key.

    `flags` maps dotted keys such as `prometheus.port` to values; None means not given.
    Raises InvalidFileError with file, line and column, or InvalidInputError that names the
    variable, flag or unreadable file.
    """
    site_file = _site_file(environment)
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for file in (site_file, session_file):
        if file is not None:
            _overlay(merged, sources, read_settings_file(file), str(file))
    _overlay(merged, sources, _from_environment(environment), "environment")
    _overlay(merged, sources, {k: v for k, v in (flags or {}).items() if v is not None}, "flag")
    settings = _validate(merged, sources)
    values = dict(leaves(settings.model_dump()))
    origins = {key: Origin(value, sources.get(key, "default")) for key, value in values.items()}
    return settings, origins


def read_settings_file(file: Path) -> dict[str, Any]:
    """Return the dotted keys that a settings file sets; none if it does not exist."""
    try:
        content = read_if_exists(file)
        document = read_document(content or b"")
        if document.value is None:  # no such file, or nothing in it but comments
            return {}
        validate(Settings, document)
    except OSError as error:
        raise InvalidInputError(f"{file}: cannot be read: {error.strerror}") from error
    except InvalidFileError as error:
        raise InvalidFileError(error.problems, str(file)) from None
    return dict(leaves(document.value))


def _site_file(environment: Mapping[str, str]) -> Path:
    named = environment.get("MONITORD_CONFIG")
    if named and not Path(named).exists():
        raise InvalidInputError(f"$MONITORD_CONFIG: there is no file {named}; correct or unset it")
    return Path(named or SITE_FILE)


def _overlay(merged: dict[str, Any], sources: dict[str, str], values: Mapping[str, Any], source: str) -> None:
    for key, value in values.items():
        merged[key] = value
        sources[key] = f"{source} {_variable(key)}" if source == "environment" else source


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    defaults = {**Settings().model_dump(), **UNAVAILABLE}
    known = {_variable(key): (key, default) for key, default in leaves(defaults)}
    sections = tuple(
        f"{_variable(name)}_" for name, default in defaults.items() if isinstance(default, Mapping)
    )
    values = {}
    for variable, text in environment.items():
        if variable in known and text:
            key, default = known[variable]
            values[key] = _items(text) if isinstance(default, list) else _parse_variable(variable, text)
        elif variable.startswith(sections) and variable not in known:
            raise InvalidInputError(f"${variable} sets nothing{did_you_mean(variable, sorted(known))}")
    return values


def _items(text: str) -> list[str]:
    return [item for item in (part.strip() for part in text.split(",")) if item]


def _parse_variable(variable: str, text: str) -> Any:
    # Text that is not a YAML scalar (`[::]`, `*`) is meant literally: a host, a name.
    try:
        value = read_document(text.encode()).value
    except UnicodeEncodeError:
        raise InvalidInputError(f"${variable} is not UTF-8; write it again") from None
    except InvalidFileError:
        return text
    return text if isinstance(value, Refused | dict | list) else value


def _validate(merged: Mapping[str, Any], sources: Mapping[str, str]) -> Settings:
    try:
        return validate(Settings, Document(value=nested(merged)))
    except InvalidFileError as error:
        messages = [_with_source(problem, sources) for problem in error.problems]
        raise InvalidInputError("\n".join(messages)) from None


def _with_source(problem: Problem, sources: Mapping[str, str]) -> str:
    key = problem.field.partition("[")[0]  # a list is set as a whole
    of_section = (source for name, source in sources.items() if name.startswith(f"{key}."))
    source = sources.get(key) or next(of_section, "settings")
    return f"{source}: {problem.field}: {problem.message}"


def _variable(key: str) -> str:
    return f"MONITORD_{key.replace('.', '_').upper()}"
