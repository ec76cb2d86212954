"""What Prometheus is given to read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.file_sd.apply import apply, read_actual
from monitord.file_sd.plan import Plan, plan
from monitord.file_sd.render import render
from monitord.targets.model import Endpoint, Registration

LABELS = {"job": "a", "instance": "h:1", "client": "c1"}


def group(url: str, interval: float | None = None, timeout: float | None = None) -> dict[str, Any]:
    endpoint = Endpoint(url, LABELS, interval, timeout)
    [found] = json.loads(render(Registration("f", "c1", (endpoint,), "d"), 5.0))
    assert isinstance(found, dict)
    return found


def test_a_url_is_taken_apart_as_prometheus_wants_it() -> None:
    found = group("https://[fe80::1]:9100/a%20b/m?x=1&y=a%26b&z=")
    assert found["targets"] == ["[fe80::1]:9100"]
    assert found["labels"] == {
        **LABELS, "__scheme__": "https", "__metrics_path__": "/a b/m", "__param_x": "1", "__param_y": "a&b",
        "__param_z": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "timeout", "expected"),
    [
        (None, None, (None, None)),
        (2.0, None, ("2s", "2s")),
        (60.0, None, ("1m", "10s")),
        (None, 3.0, (None, "3s")),
        (None, 30.0, (None, "5s")),  # never longer than the session's interval
        (30.0, 20.0, ("30s", "20s")),
        (0.1, None, ("100ms", "100ms")),
    ],
)
def test_a_timeout_is_never_longer_than_its_interval(
    interval: float | None, timeout: float | None, expected: tuple[str | None, str | None]
) -> None:
    labels = group("http://h:1/", interval, timeout)["labels"]
    assert (labels.get("__scrape_interval__"), labels.get("__scrape_timeout__")) == expected


@given(st.permutations([Endpoint(f"http://h:{port}/", {**LABELS, "n": str(port)}) for port in range(1, 6)]))
def test_the_same_endpoints_give_the_same_bytes(endpoints: list[Endpoint]) -> None:
    registration = Registration("f", "c1", tuple(endpoints), "d")
    ordered = replace(registration, endpoints=tuple(sorted(endpoints, key=lambda endpoint: endpoint.url)))
    assert render(registration, 5.0) == render(ordered, 5.0)
    assert render(registration, 5.0).endswith(b"\n")


contents = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([b"1", b"2"]))


@given(contents, contents)
def test_a_plan_leads_from_actual_to_desired_and_no_further(
    desired: dict[str, bytes], actual: dict[str, bytes]
) -> None:
    difference = plan(desired, actual)
    after = {**actual, **difference.writes}
    for name in difference.removals:
        del after[name]
    assert after == desired
    assert bool(difference) is (desired != actual)
    assert not any(actual.get(name) == content for name, content in difference.writes.items())


def test_a_plan_is_carried_out_and_read_back(tmp_path: Path) -> None:
    apply(Plan({"a.json": b"1", "b.json": b"2"}, ()), tmp_path)
    apply(Plan({"a.json": b"3"}, ("b.json", "never-there.json")), tmp_path)
    (tmp_path / ".tmp-c.json.7").write_bytes(b"half")
    assert read_actual(tmp_path) == {"a.json": b"3"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
