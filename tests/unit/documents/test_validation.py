"""Validation: every problem at its place, in our own words, and values as models declare them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from monitord.documents.limits import MAX_BYTES
from monitord.documents.strict_yaml import read_document
from monitord.documents.validation import Duration, Labels, Model, Name, validate
from monitord.errors import InvalidFileError


class Part(Model):
    """A model inside the others."""

    name: Name
    weight: float = 1.0


class Whole(Model):
    """A model with every shape that monitord's files use."""

    title: str = ""
    count: int = 0
    enabled: bool = True
    every: Duration | None = None
    labels: Labels = Field(default_factory=dict)
    part: Part | None = None
    parts: list[Part] = Field(default_factory=list)
    named: dict[str, Part] = Field(default_factory=dict)


def accepted(text: str) -> Whole:
    return validate(Whole, read_document(text.encode()))


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        accepted(text)
    return [str(problem) for problem in caught.value.problems]


def test_values_arrive_as_declared() -> None:
    whole = accepted(
        "count: 3\nevery: 10m\nlabels: {version: 1.10, run: 007a, k: 0}\n"
        "parts: [{name: 42, weight: 2}, {name: 1.10}]\n"
    )
    assert (whole.count, whole.every) == (3, 600.0)
    assert whole.labels == {"version": "1.10", "run": "007a", "k": "0"}
    assert [part.name for part in whole.parts] == ["42", "1.10"]
    assert type(whole.count) is int


def test_every_problem_is_listed_at_its_place() -> None:
    assert problems("count: x\nparts:\n  - {nmae: a}\nevery: 5\nenabled: yes\n") == [
        "1:8: count: expected a whole number, found the text 'x'",
        "3:5: parts[0].name: this key is required",
        "3:6: parts[0].nmae: unknown key; did you mean name?",
        "4:8: every: 5 has no unit; write 5s, or use ms, m, h or d",
        (
            "5:10: enabled: unquoted yes is a boolean in YAML 1.1 and text in YAML 1.2; "
            'if it is text, quote it: "yes"'
        ),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: 1.10", 'title: expected text, found the number 1.10; quote it: "1.10"'),
        ("title: true", 'title: expected text, found the boolean true; quote it: "true"'),
        ("title:", "title: expected text, found nothing"),
        ("title: [a]", "title: expected text, found a list"),
        ("count: 1.5", "count: expected a whole number, found the number 1.5"),
        ("count: '1'", "count: expected a whole number, found the text '1'"),
        ("enabled: 1", "enabled: expected true or false, found the number 1"),
        ("parts: {}", "parts: expected a list, found keys and values"),
        ("part: []", "part: expected keys and values, found a list"),
        ("every: soon", "every: 'soon' is not a duration; write a number and its unit"),
        ("every: 0.1ms", "every: a duration must be at least 1ms"),
        ("every: 10:00", "every: unquoted 10:00 is a base-60 number"),
        ("part: {name: -x}", "part.name: '-x' is not a name; use letters"),
        ("labels: {job: x}", "labels.job: label job is set by monitord"),
        ("labels: {__x: y}", "labels.__x: label __x begins with __"),
        ("labels: {a-b: z}", "labels.a-b: 'a-b' is not a label name"),
        ("labels: {ok: true}", 'labels.ok: a label value is text; quote it: "true"'),
        ("labels: {ok: [1]}", "labels.ok: expected text, found a list"),
        (f"labels: {{ok: {'x' * 1025}}}", "labels.ok: 1025 characters; at most 1024"),
        ("named: {k: {wieght: 1}}", "named.k.wieght: unknown key; did you mean weight?"),
        ("zzz: 1", "zzz: unknown key; known here: title, count, enabled, every"),
    ],
)
def test_messages(text: str, message: str) -> None:
    assert any(message in problem for problem in problems(text)), problems(text)


def test_a_key_is_blamed_where_it_stands_and_a_value_where_it_stands() -> None:
    assert problems("labels:\n   job: x\n")[0].startswith("2:4: ")
    assert problems("labels:\n   ok: [x]\n")[0].startswith("2:8: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("- a\n", "1:1: expected keys and values, found a list"),
        ("text", "1:1: expected keys and values, found the text 'text'"),
    ],
)
def test_what_is_no_mapping(text: str, message: str) -> None:
    [problem] = problems(text)
    assert message in problem


def test_what_reading_refused_is_complained_of_once() -> None:
    assert len(problems("yes")) == 1
    assert len(problems("count: 017")) == 1
    assert len(problems("a: &x 1")) == 1


def test_sixty_four_kilobytes_of_unknown_keys_are_done_with_quickly() -> None:
    text = "\n".join(f"titl{n:x}:" for n in range(6_000))
    assert len(text) < MAX_BYTES
    start = time.process_time()
    assert problems(text)[-1] == "51:1: and 5950 more problems"
    assert time.process_time() - start < 2.0


@given(st.text(max_size=60))
def test_any_text_is_accepted_or_invalid(text: str) -> None:
    try:
        accepted(text)
    except InvalidFileError as error:
        assert error.problems  # noqa: PT017  # either outcome is right
