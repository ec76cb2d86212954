"""Writing what a marker holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitord.errors import InvalidFileError, InvalidInputError


def marker_content(kind: str, says: Mapping[str, Any]) -> bytes:
    """Return a marker's content, empty when it says nothing.

    Raises InvalidInputError when it cannot be one.
    """
    from monitord.documents.strict_yaml import write_document
    from monitord.windows.markers import parse_marker

    if not says:
        return b""
    content = write_document(dict(says))
    try:
        parse_marker(kind, content)
    except InvalidFileError as error:
        raise InvalidInputError("\n".join(f"{p.field}: {p.message}" for p in error.problems)) from None
    return content
