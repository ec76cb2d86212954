"""Strict YAML: values and positions, or every problem; never anything else, and never slowly."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from monitord.documents.limits import MAX_BYTES
from monitord.documents.strict_yaml import PlainFloat, PlainInt, Refused, read_document
from monitord.errors import InvalidFileError, Problem

PROMPT = 0.5  # seconds; the slowest takes a tenth of it


def problems_of(content: bytes) -> tuple[Problem, ...]:
    try:
        return tuple(read_document(content).problems)
    except InvalidFileError as error:
        return error.problems


def refusal(content: bytes) -> str:
    with pytest.raises(InvalidFileError) as caught:
        read_document(content)
    return str(caught.value)


def assert_places_lie_inside(content: bytes, problems: tuple[Problem, ...]) -> None:
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = re.split(r"\r\n?|\n", text)
    for problem in problems:
        assert 1 <= problem.line <= len(lines), problem
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem


# --- values


# PyYAML writes these unquoted: to it they are text, to other readers not, and so to us.
DISPUTED = re.compile(r"[yYnN]|[-+]?[0-9.]+[eE][-+]?[0-9]+|[-+]\.[0-9]+|[0-9].*")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**18), max_value=10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=12).filter(
        lambda text: not DISPUTED.fullmatch(text)
    )
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z]{1,3}x", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=15,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(trees.filter(lambda tree: depth(tree) <= 8), st.booleans())
def test_values_are_those_of_safe_load(tree: Any, flow: bool) -> None:
    content = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True).encode()
    try:
        document = read_document(content)
    except InvalidFileError as error:  # characters that safe_dump writes and editors trip over
        assert "is not allowed" in str(error)  # noqa: PT017
        return
    assert document.problems == []
    assert document.value == yaml.safe_load(content)


@given(st.from_regex(r"[-+]?[0-9_.:eExXobna-f]{1,8}", fullmatch=True))
@example("1_000")
@example("1.5_0")
@example("190:20:30.15")
@example(".inf")
def test_a_plain_scalar_is_what_safe_load_reads_or_a_problem(text: str) -> None:
    try:
        expected = yaml.safe_load(f"k: {text}")["k"]
    except Exception:  # noqa: BLE001  # whatever else safe_load raises
        expected = None  # safe_load has no value, we may have
    found = problems_of(f"k: {text}".encode())
    if found or expected is None:
        return
    value = read_document(f"k: {text}".encode()).value["k"]
    number = re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text)
    assert value == (float(text) if number else expected)


@pytest.mark.parametrize("text", ["y", "No", "on", "OFF", "1:30", "12:30:45", "017", "0x1F", "0o17"])
def test_what_yaml_readers_disagree_on_is_a_problem(text: str) -> None:
    document = read_document(f"k: {text}\nother: 1\n".encode())
    [problem] = document.problems
    assert (problem.line, problem.column, problem.field) == (1, 4, "k")
    assert f'quote it: "{text}"' in problem.message
    assert isinstance(document.value["k"], Refused)
    assert read_document(f"k: '{text}'".encode()).value == {"k": text}


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan", "1e999", "1_0.5", "1.5_0", "9" * 20])
def test_numbers_that_are_none_are_problems(text: str) -> None:
    assert len(problems_of(f"k: {text}".encode())) == 1


def test_numbers_remember_how_they_were_written() -> None:
    value = read_document(b"[1.10, +07e1, -0, 1e5]").value
    assert isinstance(value[0], PlainFloat)
    assert isinstance(value[2], PlainInt)
    assert [number.text for number in value] == ["1.10", "+07e1", "-0", "1e5"]
    assert all(math.isfinite(number) for number in value)


@pytest.mark.parametrize("content", [b"", b"# only a comment\n", b"---\n", b"~", b"\xef\xbb\xbf"])
def test_a_file_that_says_nothing_has_no_value(content: bytes) -> None:
    assert read_document(content).value is None
    assert problems_of(content) == ()


def test_dates_are_text() -> None:
    assert read_document(b"at: 2026-01-31T09:30:00Z").value == {"at": "2026-01-31T09:30:00Z"}


# --- positions


def test_positions_of_keys_and_values() -> None:
    document = read_document(b"a: 1\nservices:\n  - name: x\n    labels: {k: [u, v]}\n")
    assert document.position(("services",), of_key=True) == (2, 1)
    assert document.position(("services", 0, "name")) == (3, 11)
    assert document.position(("services", 0, "labels", "k", 1)) == (4, 21)
    assert document.position(("services", 0, "labels", "k", 9, "z")) == (4, 17)
    assert document.position(("nothing",)) == (1, 1)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_editors_do(newline: str) -> None:
    [surprise] = problems_of(f"\ufeffa: ü{newline}b: yes{newline}".encode())
    assert (surprise.line, surprise.column) == (2, 4)
    [unwanted] = problems_of(f"a: ü{newline}b: \x1b".encode())
    assert (unwanted.line, unwanted.column) == (2, 4)


def test_duplicate_keys_keep_the_first_and_name_its_line() -> None:
    document = read_document(b"a: 1\nb: {x: 1}\na: 2\nb: {x: 2, z: 3}\n")
    assert document.value == {"a": 1, "b": {"x": 1}}
    assert [str(problem) for problem in document.problems] == [
        "3:1: a: duplicate key, first given in line 1; keep one of them",
        "4:1: b: duplicate key, first given in line 2; keep one of them",
    ]


# --- refusals


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: &x 1", "1:4: an anchor (&) is not allowed"),
        (b"a: 1\nb: *x", "2:4: an alias (*) is not allowed"),
        (b"a: !!str 1", "1:4: a tag (!) is not allowed"),
        (b"a: !!python/name:os.system x", "1:4: a tag (!) is not allowed"),
        (b"a: 1\n---\nb: 2", "2:1: a second YAML document"),
        (b"a: [1", "1:6: not valid YAML: did not find expected"),
        (b"? [1]\n: 2", "1:3: a key must be text"),
        (b"a: \xff", "1:4: byte 0xff is not UTF-8"),
        (b"a: \x00", r"1:4: character '\x00' is not allowed"),
        ("a: \u2028b".encode(), r"1:4: character '\u2028' is not allowed"),
        (b"[" * 9 + b"]" * 9, "1:9: nested more than 8 levels deep"),
        (b"a" * (MAX_BYTES + 1), f"1:1: the file has {MAX_BYTES + 1} bytes; at most {MAX_BYTES} are allowed"),
    ],
)
def test_refused_as_a_whole(content: bytes, expected: str) -> None:
    assert refusal(content).startswith(expected)


def test_the_limits_themselves_are_allowed() -> None:
    assert read_document(b"[" * 8 + b"]" * 8).problems == []
    assert read_document(b"a: " + b"x" * (MAX_BYTES - 3)).problems == []


def test_a_message_cannot_reach_the_terminal() -> None:
    [problem] = problems_of(b'"\\e[31m\\n": 1\n"\\e[31m\\n": 2\n')
    assert str(problem).isprintable()


# --- anything at all


@given(st.binary(max_size=200))
def test_random_bytes_are_a_document_or_invalid(content: bytes) -> None:
    assert_places_lie_inside(content, problems_of(content))


# Random text hardly ever gets far; text made of YAML's own pieces does.
pieces = st.sampled_from(
    [*"-?:,[]{}#&*!|>'\"%@`~ \t\n\r\x85\u2028\ufeffaé😀0", "\n  ", ": ", "- ", "---\n", "...\n",
     "a: ", "<<: ", "&x ", "*x ", "!!int ", "yes", "1:30", "0x", "\\x", "%YAML 1.1\n", "|2-\n"]
)  # fmt: skip


@given(st.lists(pieces, max_size=40).map("".join))
@example("!!int ''")
@example("!!timestamp x")
@example("2026-99-99")
@example("\ufeff\ufeff")
@example("a: [\n")
def test_random_yaml_is_a_document_or_invalid(text: str) -> None:
    content = text.encode()
    problems = problems_of(content)
    assert_places_lie_inside(content, problems)
    assert all(str(problem).isprintable() for problem in problems)


def merge_bomb() -> bytes:
    levels = [f"l{n}: &l{n}\n  <<: [*l{n - 1}, *l{n - 1}]\n" for n in range(1, 200)]
    return f"l0: &l0 {{a: 1}}\n{''.join(levels)}".encode()


FULL = MAX_BYTES - 16


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[" * FULL, id="nesting"),
        pytest.param(b"{a: " * (FULL // 4), id="nested mappings"),
        pytest.param(b"- " * (FULL // 2), id="nested sequences"),
        pytest.param(b"? " * (FULL // 2), id="nested keys"),
        pytest.param(merge_bomb(), id="merge bomb"),
        pytest.param(b"a: &a [x]\nb: [" + b"*a," * (FULL // 4) + b"]", id="alias bomb"),
        pytest.param(b"k: " + b"1_" * (FULL // 2) + b"x", id="underscores"),
        pytest.param(b"k: 1" + b":1" * (FULL // 2) + b"x", id="base 60"),
        pytest.param(b"k: " + b"9" * FULL, id="integer"),
        pytest.param(b"k: 0." + b"9" * FULL, id="fraction"),
        pytest.param(b"a:\n" * (FULL // 3), id="one key"),
        pytest.param(b"- a\n" * (FULL // 4), id="items"),
        pytest.param(b"- y\n" * (FULL // 4), id="surprises"),
        pytest.param(b"[" + b"[]," * (FULL // 3) + b"]", id="empty lists"),
        pytest.param(b'"' + b"\\x41" * (FULL // 4) + b'"', id="escapes"),
        pytest.param(b"a\n\n" * (FULL // 3), id="folded lines"),
        pytest.param(b"\n" * FULL, id="empty lines"),
        pytest.param(b"a: |\n" + b" " * FULL, id="indentation"),
        pytest.param("é".encode() * (FULL // 2) + b"\xff", id="late bad byte"),
        pytest.param(b"%TAG ! tag:x,2000:\n" * (FULL // 20), id="directives"),
    ],
)
def test_what_is_hostile_is_done_with_quickly(content: bytes) -> None:
    assert len(content) <= MAX_BYTES
    start = time.process_time()
    problems = problems_of(content)
    assert time.process_time() - start < PROMPT
    assert_places_lie_inside(content, problems)
