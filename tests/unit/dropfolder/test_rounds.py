"""Rounds that fail half-way: what they were given is found again, and nothing else waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.dropfolder import folder as dropfolder
from monitord.dropfolder.files import read_file
from monitord.dropfolder.folder import DropFolder, Look
from monitord.targets.file_names import is_target_file

WALL = 1_700_000_000.0
NAMES = [f"{letter}.yaml" for letter in "abcdef"]


class RoundError(Exception):
    """A round could not be ended."""


class World:
    """A drop folder, and rounds that take in what it hands on, one change after the other, or fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drop = DropFolder(folder, is_target_file, full_scan_interval=3600.0)
        self.now = 50.0
        self.taken: dict[str, bytes] = {}
        self.poison: set[str] = set()
        self.versions = 0

    def write(self, name: str) -> None:
        self.versions += 1
        temporary = self.folder / ".new"
        temporary.write_bytes(b"version: %d\n" % self.versions)
        temporary.rename(self.folder / name)
        self.drop.suspect(name)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)
        self.drop.suspect(name)

    def round(self, fails_after: int | None = None, seconds: float = 0.2) -> Look:
        """Do one round; with `fails_after` it fails after so many changes, if there are as many."""
        self.now += seconds
        look = self.drop.look(self.now, WALL + self.now)
        taken_in = 0
        for name, content in self.changes(look):
            if taken_in == fails_after or name in self.poison:
                raise RoundError
            if content is None:
                self.taken.pop(name, None)
            else:
                self.taken[name] = content
            taken_in += 1
        if fails_after is not None and taken_in == fails_after:
            raise RoundError
        self.drop.seen()
        return look

    def changes(self, look: Look) -> Iterator[tuple[str, bytes | None]]:
        yield from ((file.name, file.content) for file in look.changed)
        yield from ((name, None) for name in look.gone)

    def settle(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            try:
                self.round()
            except RoundError:
                continue

    @property
    def there(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.glob("*.yaml")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


actions = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("round"), st.none()),
    st.tuples(st.just("fail"), st.integers(0, 3)),
)


def follow(world: World, action: str, what: str | int | None) -> None:
    match action, what:
        case "write", str(name):
            world.write(name)
        case "delete", str(name):
            world.delete(name)
        case _:
            try:
                world.round(what if isinstance(what, int) else None)
            except RoundError:
                return


@given(st.lists(actions, max_size=30), st.sets(st.sampled_from(NAMES), max_size=3))
def test_whatever_rounds_fail_all_that_is_there_is_taken_in_and_poison_holds_up_itself_alone(
    history: list[tuple[str, str | int | None]], poison: set[str]
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.poison = poison
        for action, what in history:
            follow(world, action, what)
        world.settle(dropfolder.BACKOFF.longest + 1.0)  # far from the next full scan
        expected = world.there
        for name in NAMES:
            if name not in poison:
                assert world.taken.get(name) == expected.get(name), name
        world.poison = set()
        world.settle(dropfolder.BACKOFF.longest + 1.0)
        assert world.taken == expected
        assert world.round() == Look(), "then all is at rest"


def test_the_same_changes_are_found_by_the_next_look(world: World) -> None:
    world.write("a.yaml")
    world.settle(1.0)
    world.write("b.yaml")
    world.delete("a.yaml")
    failed = 0
    while not failed:
        try:
            world.round(fails_after=1)
        except RoundError:
            failed += 1
    world.round()
    world.round()
    assert world.taken == world.there


def test_what_was_taken_in_by_a_round_that_failed_and_then_deleted_is_told_to_be_gone(world: World) -> None:
    world.write("a.yaml")
    world.settle(0.1)
    while not world.taken:
        with pytest.raises(RoundError):
            world.round(fails_after=1)
    world.delete("a.yaml")
    world.settle(1.0)
    assert world.taken == {}


def test_what_nobody_can_make_anything_of_is_tried_less_and_less_often(world: World) -> None:
    world.write("a.yaml")
    world.poison = {"a.yaml"}
    failed = 0
    for _ in range(600):
        try:
            world.round(seconds=1.0)
        except RoundError:
            failed += 1
    assert 8 < failed < 30


def test_another_version_of_it_is_tried_at_once(world: World) -> None:
    world.write("a.yaml")
    world.poison = {"a.yaml"}
    world.settle(20.0)
    world.write("a.yaml")
    world.poison = set()
    world.settle(1.5)
    assert world.taken == world.there


def test_many_changes_go_on_by_the_half_once_a_round_has_failed(world: World) -> None:
    for number in range(64):
        world.write(f"n{number:02}.yaml")
    world.poison = {"n17.yaml"}
    rounds = 0
    while len(world.taken) < 63:
        rounds += 1
        try:
            world.round()
        except RoundError:
            continue
    assert rounds < 30
    assert {*world.taken} == {*world.there} - world.poison


def test_a_defect_in_the_look_itself_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("a.yaml")
    world.write("b.yaml")
    world.settle(0.1)
    real: Callable[..., object] = read_file

    def fails(*of: object) -> object:
        if of[1] == "b.yaml":
            raise MemoryError
        return real(*of)

    with monkeypatch.context() as patched:
        patched.setattr(dropfolder, "read_file", fails)
        for _ in range(3):
            with pytest.raises(MemoryError):
                world.round()
    world.settle(1.0)
    assert world.taken == world.there
