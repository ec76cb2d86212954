"""What Prometheus is given to read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.file_sd.render import file_prefix, render_file, render_groups
from monitord.file_sd.shards import SHARDS, Shards, shard_of
from monitord.targets.credentials import ScrapeCredentials
from monitord.targets.model import Endpoint, Registration

LABELS = {"job": "a", "instance": "h:1", "client": "c1"}


def group(url: str, interval: float | None = None, timeout: float | None = None) -> dict[str, Any]:
    endpoint = Endpoint(url, LABELS, interval, timeout)
    [found] = json.loads(render_file({"f": render_groups([endpoint], 5.0)}))
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
    ordered = sorted(endpoints, key=lambda endpoint: endpoint.url)
    assert render_groups(endpoints, 5.0) == render_groups(ordered, 5.0)


def registration(file: str, *ports: int) -> Registration:
    endpoints = tuple(Endpoint(f"http://h:{port}/", {**LABELS, "instance": f"h:{port}"}) for port in ports)
    return Registration(file, "c1", endpoints, "d")


def scraped(folder: Path, pattern: str = "*") -> set[str]:
    """Return the targets in the files that Prometheus reads."""
    return {
        target
        for path in folder.glob(pattern)
        for found in json.loads(path.read_bytes())
        for target in found["targets"]
    }


SETS = (None, ScrapeCredentials("b", "/s/pw"), ScrapeCredentials(bearer_token_file="/s/token"))
changes = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"), st.dictionaries(st.integers(1, 4), st.sampled_from(SETS), max_size=2)
    )
)


@given(changes)
def test_whatever_was_put_last_is_what_prometheus_reads(
    history: list[tuple[str, dict[int, ScrapeCredentials | None]]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        read, copies = Path(name) / "read", Path(name) / "copies"
        read.mkdir()
        copies.mkdir()
        shards = Shards(read, 5.0, copies)
        last: dict[str, dict[str, ScrapeCredentials | None]] = {}
        for file, ports in history:
            last[file] = {f"h:{100 * ord(file) + port}": used for port, used in ports.items()}
            endpoints = [
                Endpoint(f"http://{instance}/", {**LABELS, "instance": instance}, credentials=used)
                for instance, used in last[file].items()
            ]
            shards.put(file, Registration(file, "c1", tuple(endpoints), "d") if endpoints else None)
            shards.write()
            wanted = [pair for targets in last.values() for pair in targets.items()]
            for credentials in SETS:
                found = scraped(read, f"{file_prefix(credentials)}-*.json")
                assert found == {instance for instance, used in wanted if used == credentials}
            assert shards.credentials == {used for _, used in wanted if used}
            assert shards.targets == len(wanted)
            assert shards.write() == 0
            shards.write_copies()
            assert shards.are_copied
            assert contents(copies) == contents(read)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copies")


def test_copies_that_cannot_be_written_keep_nothing_from_being_scraped(tmp_path: Path, copies: Path) -> None:
    shards = Shards(tmp_path, 5.0, copies)
    shards.put("a", registration("a", 1))
    away = copies.rename(copies.with_name("away"))
    assert shards.write() == 1
    with pytest.raises(OSError, match="No such file"):
        shards.write_copies()
    away.rename(copies)
    shards.write_copies()
    assert contents(copies) == contents(tmp_path)


def test_what_went_away_is_written_again_and_a_leftover_copy_too(tmp_path: Path, copies: Path) -> None:
    (copies / "old.json").write_text("[]")
    shards = Shards(tmp_path, 5.0, copies)
    shards.put("a", registration("a", 1))
    shards.write()
    shards.write_copies()
    assert contents(copies) == contents(tmp_path)
    (tmp_path / shard_of("a")).unlink()
    assert shards.write() == 0
    shards.notice_missing()
    assert shards.write() == 1
    assert scraped(tmp_path) == {"h:1"}


def test_what_was_scraped_with_credentials_leaves_no_file(tmp_path: Path, copies: Path) -> None:
    shards = Shards(tmp_path, 5.0, copies)
    endpoint = Endpoint("http://h:1/", LABELS, credentials=SETS[1])
    shards.put("a", Registration("a", "c1", (endpoint,), "d"))
    shards.write()
    [file] = tmp_path.iterdir()
    assert file.name == shard_of("a", SETS[1])
    shards.put("a", None)
    assert shards.write() == 1
    assert list(tmp_path.iterdir()) == []


def test_one_change_writes_one_file_and_a_thousand_a_handful(tmp_path: Path, copies: Path) -> None:
    shards = Shards(tmp_path, 5.0, copies)
    for number in range(1000):
        shards.put(f"c{number}.yaml", registration(f"c{number}.yaml", number + 1))
    assert shards.write() == len(list(tmp_path.iterdir())) == SHARDS
    shards.put("c7.yaml", registration("c7.yaml", 5000))
    shards.put("c7.yaml", registration("c7.yaml", 5001))
    assert shards.write() == 1
    shards.put("c7.yaml", registration("c7.yaml", 5001))
    assert shards.write() == 0


def test_nothing_left_is_an_empty_list_and_what_is_not_ours_goes(tmp_path: Path, copies: Path) -> None:
    (tmp_path / "old.json").write_text("[]")
    (tmp_path / ".tmp-x.json.1").write_text("[")
    shards = Shards(tmp_path, 5.0, copies)
    shards.put("a", registration("a", 1))
    shards.write()
    shards.put("a", None)
    assert shards.write() == 1
    [left] = tmp_path.iterdir()
    assert (left.name, left.read_bytes()) == (shard_of("a"), b"[]\n")


def test_what_cannot_be_written_stays_due(tmp_path: Path, copies: Path) -> None:
    (tmp_path / "away").mkdir()
    shards = Shards(tmp_path / "away", 5.0, copies)
    shards.put("a", registration("a", 1))
    (tmp_path / "away").rename(tmp_path / "back")
    with pytest.raises(OSError, match="No such file"):
        shards.write()
    (tmp_path / "back").rename(tmp_path / "away")
    assert shards.write() == 1
    assert scraped(tmp_path / "away") == {"h:1"}
