"""The fence, and with the lease behind it: at no moment do two daemons pass."""

from __future__ import annotations

import copy
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.session import lease
from monitord.session.fence import Fence
from monitord.session.lease import (
    HEARTBEAT_SECONDS,
    VALID_SECONDS,
    HeldError,
    Holder,
    Signs,
    acquire,
    release,
)
from monitord.system.fresh_listing import no_refresh
from tests.fakes.clock import FakeClock


def hold(folder: Path, host: str = "mel0001") -> Holder:
    return acquire(folder, host, 0.0, Signs(lambda: None, lambda _: None, refresh=no_refresh))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lease"


def test_a_look_is_good_for_a_while_and_no_longer(folder: Path) -> None:
    clock = FakeClock()
    fence = Fence(folder, hold(folder), clock, no_refresh)
    fence.check()
    hold(folder, "mel0002")
    clock.advance(VALID_SECONDS - 0.1)
    fence.check()
    clock.advance(0.1)
    with pytest.raises(HeldError, match=rf"took this session over .*: host mel0002, pid {os.getpid()}"):
        fence.check()


def test_once_taken_over_it_never_opens_again(folder: Path) -> None:
    fence = Fence(folder, hold(folder), FakeClock(), no_refresh)
    release(folder, hold(folder, "mel0002"))
    with pytest.raises(HeldError, match="a daemon that has ended since"):
        fence.check()
    shutil.rmtree(folder)
    with pytest.raises(HeldError):
        fence.check()


@pytest.mark.parametrize("lost", ["folder", "files", "listing"])
def test_a_folder_that_is_away_is_no_refusal(folder: Path, lost: str) -> None:
    clock = FakeClock()
    fence = Fence(folder, hold(folder), clock, no_refresh)
    aside = folder.rename(folder.with_name("aside"))
    if lost == "files":
        folder.mkdir()
    elif lost == "listing":
        folder.write_text("a file system that answers with errors")
    fence.check()
    if lost != "folder":
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    aside.rename(folder)
    hold(folder, "mel0002")
    with pytest.raises(HeldError):  # nothing was taken for granted meanwhile
        fence.check()


# --- the protocol: daemons that take turns at every single touch of the folder


class Over(BaseException):
    """Ends a daemon's thread when an example is over."""


@dataclass
class Actor:
    """A daemon that acquires, beats and publishes on a thread, one touch of the folder at a time."""

    name: str
    work: Callable[[Actor], None]
    due: float = 0.0
    fence: Fence | None = None
    ended: bool = False
    over: bool = False
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    came_back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    failure: BaseException | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.thread.start()
        assert self.came_back.acquire(timeout=10)

    def turn(self) -> None:
        """Wait to be let on. Called on the actor's thread."""
        self.came_back.release()
        self.go.acquire()
        if self.over:
            raise Over

    def step(self) -> None:
        """Let it go on to its next touch."""
        self.go.release()
        assert self.came_back.acquire(timeout=10)

    def end(self) -> None:
        self.over = True
        if not self.ended:
            self.step()
        self.thread.join(10)

    def _run(self) -> None:
        ACTING.actor = self
        try:
            self.turn()
            self.work(self)
        except (HeldError, Over):
            pass
        except BaseException as error:  # noqa: BLE001  # shown by the test, on its own thread
            self.failure = error
        finally:
            self.ended = True
            self.came_back.release()


ACTING = threading.local()


@dataclass
class World:
    """What the actors share: a folder, a heartbeat file, the time."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    heartbeat: int = 0

    def be_a_daemon(self, actor: Actor) -> None:
        signs = Signs(lambda: self.heartbeat, lambda seconds: self.pause(actor, seconds), refresh=no_refresh)
        mine = acquire(self.folder, actor.name, 0.0, signs)
        actor.fence = Fence(self.folder, mine, self.clock, no_refresh)
        for _ in range(6):
            actor.fence.check()
            actor.turn()  # held up between the look and what it publishes
            self.heartbeat += 1
            self.pause(actor, HEARTBEAT_SECONDS)
        actor.fence.check()
        actor.fence = None  # a daemon that stops publishes nothing after this
        release(self.folder, mine)

    def pause(self, actor: Actor, seconds: float) -> None:
        actor.due = self.clock.elapsed + seconds
        actor.turn()

    def passing(self, actors: list[Actor]) -> list[str]:
        """Return who could publish now. A copy is asked: what a look finds out must not help."""
        return [actor.name for actor in actors if actor.fence and passes(copy.copy(actor.fence))]


def passes(fence: Fence) -> bool:
    try:
        fence.check()
    except HeldError:
        return False
    return True


@contextmanager
def turns_at_every_touch() -> Iterator[None]:
    """Have whoever acts wait for a turn before it creates, lists, reads or removes anything."""

    def taking_turns(touch: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            actor = getattr(ACTING, "actor", None)
            if actor is not None and not actor.over:
                actor.turn()
            return touch(*arguments, **more)

        return wrapped

    touches = {os: ("link",), Path: ("iterdir", "read_bytes", "unlink", "replace")}
    with ExitStack() as stack:
        for owner, names in touches.items():
            for name in names:
                stack.enter_context(mock.patch.object(owner, name, taking_turns(getattr(owner, name))))
        yield


@given(number=st.integers(2, 4), seed=st.integers(0, 2**32), longest=st.sampled_from([0.5, 3.0]))
def test_at_no_moment_do_two_daemons_pass(
    tmp_path_factory: pytest.TempPathFactory, number: int, seed: int, longest: float
) -> None:
    """Each takes its turns at a pace that changes, down to none: that is what being held up is."""
    folder = tmp_path_factory.mktemp("session") / "lease"
    world, source = World(folder), random.Random(seed)
    actors = [Actor(f"mel{index:04}", world.be_a_daemon) for index in range(number)]
    highest = 0
    # Hardly any patience: being taken over must be safe for one that lives as well.
    with turns_at_every_touch(), mock.patch.object(lease, "STALE_SECONDS", 1.0):
        for actor in actors:
            actor.start()
        try:
            for turn in range(400):
                if turn % 10 == 0:
                    paces = {actor.name: source.choice((0.0, 1.0, 9.0)) for actor in actors}
                world.clock.advance(source.uniform(0.0, longest))
                alive = [actor for actor in actors if not actor.ended and actor.due <= world.clock.elapsed]
                weights = [paces[actor.name] for actor in alive]
                if not any(weights):
                    continue
                source.choices(alive, weights)[0].step()
                assert len(world.passing(actors)) <= 1
                terms = [int(file.stem) for file in folder.glob("*.json")] if folder.exists() else []
                assert max(terms, default=0) >= highest, "terms only grow"
                highest = max(terms, default=0)
        finally:
            for actor in actors:
                actor.end()
    assert [actor.failure for actor in actors] == [None] * number
