"""What a marker says, and what it may not hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.windows.markers import KINDS, MarkerSpec, StopMarkerSpec, WindowSpec, is_marker, read_marker

AT = 1_700_000_000.0
NS = int(AT * 1e9)


def problems(name: str, content: bytes) -> list[str]:
    return [str(problem) for problem in read_marker(name, AT, NS, content).problems]


@pytest.mark.parametrize(
    "name", ["run01.start", "run01.stop", "a.b-c_d.cancel", "0.yaml", f"{'x' * 128}.start"]
)
def test_markers(name: str) -> None:
    assert is_marker(name)


@pytest.mark.parametrize(
    "name",
    ["start", ".start", "run01", "run01.START", "run01.yml", ".run01.start", "run01.start~", "a.start.tmp"],
)  # fmt: skip
def test_other_names_are_no_markers(name: str) -> None:
    assert not is_marker(name)
    with pytest.raises(ValueError, match="is not the name of a marker"):
        read_marker(name, AT, NS, b"")


@pytest.mark.parametrize("name", ["run 1", "ü", "-a", "a\n", "x" * 129, "a\udc80"])
def test_a_name_that_cannot_be_a_windows_is_told(name: str) -> None:
    (problem,) = read_marker(f"{name}.start", AT, NS, b"").problems
    assert "is not a valid window name; use letters" in problem.message
    assert problem.message.isprintable()


@pytest.mark.parametrize("kind", ["start", "stop", "cancel"])
@pytest.mark.parametrize("content", [b"", b" \n", b"{}"])
def test_an_empty_marker_speaks_by_its_time(kind: str, content: bytes) -> None:
    marker = read_marker(f"run.01.{kind}", AT, NS, content)
    assert (marker.window_id, marker.kind, marker.at, marker.problems) == ("run.01", kind, AT, ())
    assert marker.file == f"run.01.{kind}"


@pytest.mark.parametrize(
    "at", ["1700000009", "1700000009.0", '"1700000009"', "2023-11-14T22:13:29Z", "2023-11-14T23:13:29+01:00"]
)
def test_at_overrules_the_time_of_the_file(at: str) -> None:
    assert read_marker("r.start", AT, NS, f"at: {at}\n".encode()).at == AT + 9


def test_what_a_stop_marker_reports() -> None:
    content = (
        b"results: {requests: 1000, rate: {value: 2.5, unit: requests/s}}\nrecipes: [node]\nslo: [x.max < 1]"
    )
    spec = read_marker("r.stop", AT, NS, content).spec
    assert isinstance(spec, StopMarkerSpec)
    assert {name: (item.value, item.unit) for name, item in spec.results.items()} == {
        "requests": (1000.0, ""),
        "rate": (2.5, "requests/s"),
    }
    assert (spec.recipes, spec.slo) == (["node"], ["x.max < 1"])


def test_a_past_window() -> None:
    spec = read_marker("r.yaml", AT, NS, b"from: 1700000000\nto: 2023-11-14T22:14:20Z\nlabels: {a: b}\n").spec
    assert isinstance(spec, WindowSpec)
    assert (spec.from_, spec.to, spec.labels) == (AT, AT + 60, {"a": "b"})


RANGE = "is before 1970 or after 9999; write Unix seconds, not milliseconds"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.yaml", "", "1:1: the file is empty"),
        ("r.yaml", "from: 1\n", "1:1: to: this key is required"),
        ("r.yaml", "from: 5\nto: 5\n", "1:1: to must be later than from"),
        ("r.yaml", "from: 1700000000000\nto: 1700000001000\n", f"1:7: from: '1700000000000' {RANGE}"),
        ("r.yaml", "from: -1\nto: 5\n", f"1:7: from: '-1' {RANGE}"),
        (
            "r.yaml",
            "from: 2023-11-14T22:13:20\nto: 5\n",
            "1:7: from: '2023-11-14T22:13:20' names no time zone",
        ),
        ("r.yaml", "from: yesterday\nto: 5\n", "1:7: from: 'yesterday' is not a time; write ISO 8601"),
        ("r.yaml", "form: 1\nfrom: 1\nto: 5\n", "1:1: form: unknown key; did you mean from?"),
        ("r.start", "at: 1700000000000\n", f"1:5: at: '1700000000000' {RANGE}"),
        ("r.start", "at: 1e300\n", f"1:5: at: '1e+300' {RANGE}"),
        ("r.start", "at: true\n", "1:5: at: expected a number, found the boolean true"),
        ("r.start", "results: {a: 1}\n", "1:1: results: unknown key"),
        (
            "r.stop",
            "results: {a: fast}\n",
            "1:14: results.a: expected a number, or {value: NUMBER, unit: UNIT}",
        ),
        ("r.stop", "results: {a: .nan}\n", "1:14: results.a: unquoted .nan is not a finite number"),
        (
            "r.stop",
            "results: {a: {value: 1, unit: =1+1}}\n",
            "1:31: results.a.unit: '=1+1' is not a unit; write something like ms, requests/s",
        ),
        ("r.stop", "results: {a b: 1}\n", "1:11: results.a b: 'a b' is not a name"),
        ("r.cancel", "labels: {node: x}\n", "1:10: labels.node: label node is set by monitord"),
        ("r.start", "%\x00", r"1:2: character '\x00' is not allowed"),
    ],
)
def test_refused_with_place_and_reason(name: str, content: str, expected: str) -> None:
    [problem] = problems(name, content.encode())[:1]
    assert problem.startswith(expected)


def test_what_could_not_be_read_is_a_problem() -> None:
    marker = read_marker("r.start", AT, NS, b"", "the file is a symbolic link; only regular files are read")
    assert [str(problem) for problem in marker.problems] == [
        "1:1: the file is a symbolic link; only regular files are read"
    ]


@pytest.mark.parametrize("modified_at", [-5.0, 1e12, 1e300])
def test_a_time_that_no_calendar_holds_is_a_problem_unless_at_says_otherwise(modified_at: float) -> None:
    [problem] = read_marker("r.start", modified_at, 0, b"").problems
    assert "modification time" in problem.message
    assert read_marker("r.start", modified_at, 0, b"at: 1700000000").problems == ()
    assert read_marker("r.yaml", modified_at, 0, b"from: 1\nto: 2").problems == ()


pieces = st.sampled_from(
    ["at: ", "from: ", "to: ", "results: ", "labels: ", "{a: ", "}", "1", "1e9", "-", ".inf", "9" * 18, "x",
     "\n", "2026-01-31T09:30:00Z", "[", "]", '"', "\x00", "é", "no", "0001-01-01T00:00:00+14:00"]
)  # fmt: skip


@given(
    st.sampled_from(KINDS),
    st.binary(max_size=60) | st.lists(pieces, max_size=12).map(lambda p: "".join(p).encode()),
)
def test_garbage_is_a_problem_and_nothing_worse(kind: str, content: bytes) -> None:
    marker = read_marker(f"r.{kind}", AT, NS, content)
    assert (marker.spec is None) == bool(marker.problems)
    assert all(str(problem).isprintable() for problem in marker.problems)
    if isinstance(marker.spec, MarkerSpec):
        assert 0 <= marker.at < 1e12


def test_a_condition_that_is_none_is_pointed_at() -> None:
    (problem,) = problems("r.start", b"slo:\n  - latency.p99 < 250 ms\n  - latency.p99 250 ms\n")
    assert problem.startswith(
        "3:5: slo[1]: 'latency.p99 250 ms' is not a condition: expected one of < <= > >="
    )
    assert "at character 13" in problem
