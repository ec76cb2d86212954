"""Strict YAML: bytes in; plain values with the position of each, or every problem, out.

PyYAML's C parser gives events only. They do not recurse, so deep nesting cannot crash the process
as composing in C does; anchors, aliases and tags are refused at the first one, so nothing can grow
beyond the text it came from. Values are then built here by the rules of YAML 1.2, and whatever
YAML 1.1 would have read differently (`no`, `1:30`, `017`) is a problem, never a guess, and so is
what no reader here can use (`.nan`, `1e999`). Two things are not: a date or a time is text, to be
parsed by the field that expects one, and `1e5` is a number although YAML 1.1 wants a dot and a sign in it.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

import yaml

from monitord.documents.limits import MAX_BYTES
from monitord.errors import InvalidFileError, Problem, excerpt

MAX_DEPTH = 8
MAX_EVENTS = 50_000

FieldPath = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SURPRISES = re.compile(
    r"""(?P<boolean> y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF )
      | (?P<base60>  [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)? )
      | (?P<number>  [-+]?(?: 0[0-9_]+ | 0[oO][0-7_]+ | 0x[0-9a-fA-F_]+ | 0b[01_]+ | [0-9]{20,}
                            | (?=[0-9.]*_) [0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?
                            | \.[0-9]+_[0-9_]* ) )
      | (?P<finite>  [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN) )""",
    re.VERBOSE | re.ASCII,
)
_MEANINGS = {
    "boolean": "a boolean in YAML 1.1 and text in YAML 1.2",
    "base60": "a base-60 number in YAML 1.1 and text in YAML 1.2",
    "number": "read as different numbers by different YAML readers",
    "finite": "not a finite number",
}
# Advice on the parser's most frequent errors.
_YAML_ADVICE = {
    "mapping values are not allowed in this context": "; check the indentation; quote text with ': '",
    "found character that cannot start any token": "; indent with spaces; quote text that begins with @ or %",
    "did not find expected key": "; check the indentation and the quotes before it",
    "did not find expected ',' or ']'": "; close the list with ]",
    "did not find expected ',' or '}'": "; close the braces with }",
    "found unexpected end of stream": "; close the quotes",
}
# Beside control characters: what YAML 1.1 takes for line breaks and YAML 1.2 and editors do not,
# and what no YAML may hold.
_NOT_ALLOWED = re.compile(
    "[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_SECRET = re.compile("pass|token|secret|auth|credential|bearer|key|_file", re.IGNORECASE)
_LINE_BREAK = re.compile(r"\r\n?|\n")


class PlainInt(int):
    """An unquoted integer that remembers how it was written."""

    text: str


class PlainFloat(float):
    """An unquoted number that remembers how it was written, so that a label `1.10` stays `1.10`."""

    text: str


class Refused:
    """Marks a value that was refused while reading, so that it is reported only once."""


@dataclass(slots=True)
class Document:
    """A YAML file's value, with the position of each part (line and column from 1).

    `keys` and `values` map a path such as `("services", 0, "name")` to its position.
    """

    value: Any = None
    keys: dict[FieldPath, tuple[int, int]] = field(default_factory=dict)
    values: dict[FieldPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def position(self, path: FieldPath, *, of_key: bool = False) -> tuple[int, int]:
        """Return the position of `path`, or of the nearest parent that exists."""
        for end in range(len(path), -1, -1):
            first, second = (self.keys, self.values) if of_key else (self.values, self.keys)
            place = first.get(path[:end]) or second.get(path[:end])
            if place is not None:
                return place
        return (1, 1)

    def add(self, path: FieldPath, message: str, *, of_key: bool = False) -> None:
        """Note a problem at `path`."""
        line, column = self.position(path, of_key=of_key)
        self.problems.append(Problem(line, column, field_name(path), message))

    def forget(self, paths: Set[FieldPath]) -> None:
        """Remove problems of values at or below `paths`, because their keys are refused themselves."""
        places = {
            place
            for known, place in self.values.items()
            if any(known[:end] in paths for end in range(1, len(known) + 1))
        }
        self.problems = [item for item in self.problems if (item.line, item.column) not in places]


def field_name(path: FieldPath) -> str:
    """Write a path as users read it: `services[0].name`."""
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{excerpt(part)}"
    return name.removeprefix(".")


def holds_secret(path: FieldPath) -> bool:
    """Return whether the value may be a secret, which no message may repeat."""
    return any(isinstance(part, str) and _SECRET.search(part) for part in path)


def write_document(value: Any) -> bytes:
    """Write plain values as YAML that reads back as the same, by 1.1 as by 1.2."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()


def read_document(content: bytes) -> Document:
    """Read one YAML document.

    Raises InvalidFileError when there is no value to go on with (not UTF-8, too long, a syntax
    error, an alias, nesting too deep); lesser problems (a key twice, a YAML 1.1 surprise) are noted
    in the document, so that they can be reported together with what validation finds.
    """
    text = _decode(content)
    builder = _Builder()
    try:
        for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
            if count > MAX_EVENTS:
                raise _refusal(_place_of(event), f"more than {MAX_EVENTS} keys and values; split the file")
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        # Of a file that ends too early, the parser names the line after the last.
        raise _refusal(
            min(place, _place_after(text)),
            f"not valid YAML: {error.problem}{_YAML_ADVICE.get(str(error.problem), '')}",
        ) from None
    except yaml.YAMLError as error:
        raise _refusal((1, 1), f"not valid YAML: {excerpt(str(error))}") from None
    return builder.document


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise _refusal((1, 1), f"the file has {len(content)} bytes; at most {MAX_BYTES} are allowed")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place_after(content[: error.start].decode("utf-8"))
        byte = content[error.start]
        raise _refusal(place, f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from None
    if unwanted := _NOT_ALLOWED.search(text):
        place = _place_after(text[: unwanted.start()])
        raise _refusal(place, f"character {unwanted[0]!a} is not allowed; remove it")
    return text


def _place_after(before: str) -> tuple[int, int]:
    lines = _LINE_BREAK.split(before)
    return len(lines), len(lines[-1]) + 1


def _place_of(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _refusal(place: tuple[int, int], message: str) -> InvalidFileError:
    return InvalidFileError([Problem(*place, "", message)])


def _refused(event: Any, what: str, advice: str) -> InvalidFileError:
    return _refusal(_place_of(event), f"{what} is not allowed; {advice}")


_Collection = dict[str, Any] | list[Any]


class _Builder:
    """Builds a document from parse events with a stack of its own: one open collection a level."""

    def __init__(self) -> None:
        self.document = Document()
        self._open: list[tuple[FieldPath, _Collection]] = []
        self._key: str | None = None
        self._documents = 0

    def take(self, event: Any) -> None:
        """Process the next event."""
        match event:
            case yaml.AliasEvent():
                raise _refused(event, "an alias (*)", "write the value out, or quote text that begins with *")
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _refusal(_place_of(event), "a second YAML document; write one document per file")
            case yaml.ScalarEvent():
                self._refuse_decoration(event)
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._refuse_decoration(event)
                self._open_collection(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._open.pop()

    # The name is not repeated, because it may have been meant as a password.
    def _refuse_decoration(self, event: Any) -> None:
        if event.anchor is not None:
            raise _refused(event, "an anchor (&)", "quote text that begins with &")
        if event.tag is not None:
            raise _refused(event, "a tag (!)", "quote text that begins with !")

    def _open_collection(self, event: Any) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise _refusal(
                _place_of(event), f"nested more than {MAX_DEPTH} levels deep; write it with fewer levels"
            )
        if self._awaits_key():
            raise _refusal(_place_of(event), "a key must be text, not a list or a mapping")
        container: _Collection = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append((self._place_value(container, event), container))

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1][1], dict) and self._key is None

    def _scalar(self, event: Any) -> None:
        if self._awaits_key():
            self._take_key(event)
        elif not event.style:  # neither quoted nor a block: the text decides the type
            value = _plain_value(event.value)
            path = self._place_value(value, event)
            if isinstance(value, Refused):
                self.document.add(path, _surprise(event.value, shown=not holds_secret(path)))
        else:
            self._place_value(event.value, event)

    def _take_key(self, event: Any) -> None:
        path, container = self._open[-1]
        key, place = event.value, _place_of(event)
        if not event.style and _SURPRISES.fullmatch(key):
            self.document.problems.append(Problem(*place, field_name((*path, key)), _surprise(key)))
        if key in container:
            first = self.document.keys[*path, key][0]
            message = f"duplicate key, first given in line {first}; keep one of them"
            self.document.problems.append(Problem(*place, field_name((*path, key)), message))
        else:
            self.document.keys[*path, key] = place
        self._key = key

    def _place_value(self, value: Any, event: Any) -> FieldPath:
        path: FieldPath = ()
        if self._open:
            parent, container = self._open[-1]
            if isinstance(container, list):
                path = (*parent, len(container))
                container.append(value)
            else:
                assert self._key is not None  # noqa: S101  # a value always follows its key
                path = (*parent, self._key)
                container.setdefault(self._key, value)
                self._key = None
        else:
            self.document.value = value
        self.document.values.setdefault(path, _place_of(event))
        return path


def _plain_value(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _SURPRISES.fullmatch(text):
        return Refused()
    if _INTEGER.fullmatch(text):
        whole = PlainInt(text)
        whole.text = text
        return whole
    if _FLOAT.fullmatch(text):
        number = PlainFloat(text)
        number.text = text
        return number if math.isfinite(number) else Refused()
    return text


def _surprise(text: str, *, shown: bool = True) -> str:
    match = _SURPRISES.fullmatch(text)
    meaning = _MEANINGS[(match and match.lastgroup) or "finite"]
    if not shown:
        return f"this unquoted value is {meaning}; if it is text, quote it"
    return f'unquoted {excerpt(text)} is {meaning}; if it is text, quote it: "{excerpt(text)}"'
