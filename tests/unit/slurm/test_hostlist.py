"""Slurm hostlists, by hand and against ClusterShell."""

from __future__ import annotations

import time

import pytest
from ClusterShell.NodeSet import NodeSet
from hypothesis import given
from hypothesis import strategies as st

from monitord.slurm.hostlist import expand


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("mel0042", ["mel0042"]),
        ("mel[0008-0010,0040]", ["mel0008", "mel0009", "mel0010", "mel0040"]),
        ("n[8-11]", ["n8", "n9", "n10", "n11"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
        ("r[0-1]n[08-09]", ["r0n08", "r0n09", "r1n08", "r1n09"]),
        ("gpu[1-2]-ib.cluster", ["gpu1-ib.cluster", "gpu2-ib.cluster"]),
        ("login1, mel[1-2] ,x", ["login1", "mel1", "mel2", "x"]),
        ("[1-2]", ["1", "2"]),
        ("b,a,b", ["b", "a", "b"]),
    ],
)
def test_expands_in_order(text: str, hosts: list[str]) -> None:
    assert expand(text) == hosts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1: a host name is missing"),
        ("a,,b", "column 3: a host name is missing"),
        ("a, ", "column 4: a host name is missing"),
        ("a[1-2", r"column 2: '\[' is never closed"),
        ("a1-2]", r"column 5: '\]' without '\['"),
        ("a[1[2]]", r"column 4: '\[' inside brackets"),
        ("a[]", "column 3: a number is missing"),
        ("a[1,]", "column 5: a number is missing"),
        ("a[7,5-3]", "column 5: the range 5-3 runs backwards"),
        ("a[1-x]", "column 3: '1-x' is neither a number nor a range"),
        ("a[1-2-3]", "column 3: '1-2-3' is neither"),
        ("a[-1]", "column 3: '-1' is neither"),
        ("a[1,\u0662]", "column 5: '\u0662' is neither"),
        ("a b", "column 2: ' ' is not allowed in a host name"),
        ("a[1-2]/x", "column 7: '/' is not allowed in a host name"),
    ],
)
def test_refuses_with_column_and_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand(text)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("n[0-999999999999999999]", 10**18),
        ("[0-99]" * 20, 100**20),
        ("n[1-10001]", 10_001),
        (",".join(["n[0-99]"] * 101), 10_100),
    ],
)
def test_counts_before_it_expands(text: str, total: int) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match=f"column 1: {total} hosts; at most 10000"):
        expand(text)
    assert time.process_time() - start < 0.5


def test_the_limit_itself_is_allowed() -> None:
    assert len(expand("n[1-10000]")) == 10_000
    assert expand("n[1-2]", limit=2) == ["n1", "n2"]


@st.composite
def ranges(draw: st.DrawFn) -> str:
    first = draw(st.integers(0, 120))
    last = first + draw(st.integers(0, 12))
    width = draw(st.integers(1, 4))
    return f"{first:0{width}d}" + (f"-{last:0{width}d}" if last > first else "")


brackets = st.lists(ranges(), min_size=1, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
names = st.lists(brackets | st.sampled_from(["mel", "r", "-ib", "x."]), min_size=1, max_size=3)
# ClusterShell folds digits beside a bracket into it, and needs a letter to tell a name by.
hostlists = names.map(lambda parts: "n" + "x".join(parts) + "z")


@given(st.lists(hostlists, min_size=1, max_size=3).map(",".join))
def test_the_hosts_are_those_of_clustershell(text: str) -> None:
    assert set(expand(text, limit=10**6)) == set(NodeSet(text))


@given(st.text(alphabet="ab01[]-, .\n", max_size=30) | st.text(max_size=30))
def test_any_text_expands_or_is_a_value_error(text: str) -> None:
    try:
        hosts = expand(text)
    except ValueError as error:
        message = str(error)
    else:
        assert hosts
        return
    assert message.startswith("column ")
    assert message.isprintable()
