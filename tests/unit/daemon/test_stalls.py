"""The watch on the work on the session folder."""

from __future__ import annotations

from monitord.daemon.stalls import STALLED_SECONDS, StallWatch, stall_json
from tests.fakes.clock import FakeClock
from tests.fakes.log import events, recording_log


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.log, self.entries = recording_log()
        self.busy: tuple[str, float] | None = None
        self.watch = StallWatch(self, self.clock, self.log)

    def begin(self, part: str) -> None:
        self.busy = (part, self.clock.monotonic())

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.watch.step()


def test_work_that_goes_on_is_no_stall() -> None:
    world = World()
    for part in ("targets", "windows", "targets"):
        world.begin(part)
        world.after(STALLED_SECONDS - 0.1)
    world.busy = None
    world.after(60.0)
    assert (world.watch.known, world.watch.text, events(world.entries)) == ((), "", [])


def test_a_part_that_does_not_come_back_is_reported_once_and_its_end_too() -> None:
    world = World()
    start = world.clock.now()
    world.begin("targets")
    for _ in range(30):
        world.after(1.0)
    assert events(world.entries) == ["session_folder.stalled"]
    assert world.entries[0]["part"] == "targets"
    assert "has not answered since" in world.watch.text
    assert world.watch.touching(start + 1.0, start + 2.0), "it counts while it lasts"
    world.begin("windows")
    world.after(0.5)
    assert events(world.entries) == ["session_folder.stalled", "session_folder.resumed"]
    assert world.watch.text == ""
    [stall] = world.watch.known
    assert (stall.start, stall.end) == (start, start + 30.5)
    assert not world.watch.touching(start + 31.0, start + 40.0)


def test_one_that_ends_in_another_is_two() -> None:
    world = World()
    for part in ("targets", "windows"):
        world.begin(part)
        world.after(STALLED_SECONDS)
    assert [event.partition(".")[2] for event in events(world.entries)] == ["stalled", "resumed", "stalled"]
    assert [stall.end is None for stall in world.watch.known] == [False, True]


def test_it_is_published_as_it_is_known() -> None:
    world = World()
    world.begin("targets")
    world.after(STALLED_SECONDS)
    assert world.watch.last is not None
    assert stall_json(world.watch.last) == {"from": "2023-11-14T22:13:20.000Z", "to": None}
