"""The drop folder in, file_sd and statuses out: on real folders, with a clock that stands still."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from monitord.daemon.parts import FolderPart
from monitord.dropfolder import folder as dropfolder
from monitord.dropfolder.files import DroppedFile, Signature
from monitord.file_sd import shards
from monitord.session.held import HeldSession
from monitord.system.atomic import write_synced
from monitord.targets.scrape_health import ScrapeHealth
from tests.fakes.log import events
from tests.unit.daemon.world import GOOD, World

OTHER = GOOD.replace(b"name: a", b"name: b")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_dropped_file_is_scraped_published_and_logged_once(world: World) -> None:
    world.drop("a.yaml", GOOD)
    world.settle()
    assert world.scraped() == {"a"}
    assert world.status("a.yaml")["state"] == "accepted"
    assert events(world.entries) == ["target_file.accepted", "file_sd.written"]
    assert world.woken == [FolderPart.HEALTH, FolderPart.TARGET_STATUSES]


def test_a_refused_file_is_reported_and_the_last_good_version_stays(world: World) -> None:
    world.drop("a.yaml", GOOD)
    world.settle()
    accepted = world.status("a.yaml")
    for content in (b"clinet: c1\n", b"", b"\xff", b"#" * 70_000):
        world.drop("a.yaml", content)
        world.settle()
        status = world.status("a.yaml")
        assert (status["state"], status["in_force"]) == ("refused", accepted["in_force"])
        assert set(status["errors"][0]) == {"line", "column", "field", "message"}
        assert world.scraped() == {"a"}
    world.start()
    world.settle()
    assert world.scraped() == {"a"}
    assert world.status("a.yaml")["state"] == "refused"


DAY = 86400.0


@pytest.mark.parametrize("restart", [False, True])
def test_the_status_of_a_deleted_file_goes_after_a_day(world: World, restart: bool) -> None:
    path = world.drop("a.yaml", GOOD)
    leased = world.drop("l.yaml", OTHER + b"lease: 1m\n", age=0.0)
    world.drop("b.yaml", b"bad: 1\n")
    world.drop("again.yaml", b"bad: 1\n").unlink()
    world.settle()
    path.unlink()
    world.settle()
    assert world.status("a.yaml")["state"] == "withdrawn"
    world.clock.advance(DAY - 60.0)
    if restart:
        world.start()
    world.settle()
    assert world.status("a.yaml")["state"] == "withdrawn"
    world.pass_by(120.0)
    assert not world.session.target_status("a.yaml").exists()
    # What is still there keeps its status, also where nothing of it is in force.
    assert (leased.exists(), world.status("l.yaml")["state"]) == (True, "withdrawn")
    assert world.status("b.yaml")["state"] == "refused"
    world.drop("a.yaml", GOOD)
    world.settle()
    assert world.status("a.yaml")["state"] == "accepted"


def test_while_the_folder_cannot_be_listed_no_status_goes(world: World) -> None:
    path = world.drop("a.yaml", GOOD)
    world.settle()
    path.unlink()
    world.settle()
    world.clock.advance(2 * DAY)
    away = world.session.targets.rename(world.session.folder / "away")
    world.start()
    world.settle()
    assert world.status("a.yaml")["state"] == "withdrawn"
    away.rename(world.session.targets)
    world.settle()
    assert not world.session.target_status("a.yaml").exists()


MANY = b"".join(b"titl%x:\n" % number for number in range(6_000))
CLASHES = "services:\n" + "".join(f"- {{name: s{n}, endpoint: 'http://h:1/'}}\n" for n in range(900))
DENIED = CLASHES.replace("//h:", "//169.254.0.1:")


@pytest.mark.parametrize("content", [MANY, f"client: c1\n{CLASHES}".encode(), DENIED.encode()])
def test_the_problems_of_a_bad_file_are_counted_after_the_first(world: World, content: bytes) -> None:
    world.drop("a.yaml", f"client: c1\n{CLASHES}".encode())
    world.settle()
    assert world.status("a.yaml")["state"] == "accepted"
    world.drop("b.yaml", content)
    world.settle()
    assert len(world.status("b.yaml")["errors"]) == 51
    assert world.status("b.yaml")["errors"][-1]["message"].startswith("and ")
    [refused] = [entry for entry in world.entries if entry["event"] == "target_file.refused"]
    assert len(refused["errors"]) == 51


def test_only_deletion_withdraws(world: World) -> None:
    path = world.drop("a.yaml", GOOD)
    world.drop("b.yaml", OTHER)
    world.settle()
    aside = world.session.targets.rename(world.session.folder / "aside")
    world.settle()
    assert world.scraped() == {"a", "b"}
    assert events(world.entries).count("targets.frozen") == 1
    aside.rename(world.session.targets)
    path.unlink()
    world.settle()
    assert world.scraped() == {"b"}
    status = world.status("a.yaml")
    assert (status["state"], status["reason"], status["endpoints"]) == (
        "withdrawn",
        "the file was deleted",
        [],
    )
    assert world.status("b.yaml")["state"] == "accepted"
    world.drop("a.yaml", GOOD)
    world.settle()
    assert world.scraped() == {"a", "b"}


def test_nothing_is_written_and_nothing_logged_while_nothing_changes(world: World) -> None:
    world.drop("a.yaml", GOOD)
    world.settle()
    said, written = len(world.entries), world.session.target_status("a.yaml").stat()
    world.settle(20)
    assert len(world.entries) == said
    assert world.session.target_status("a.yaml").stat() == written


def test_a_restart_goes_on_with_what_was_in_force(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> None:
        raise OSError(5, "Input/output error")

    world.drop("a.yaml", GOOD)
    world.settle()
    before = world.session.target_status("a.yaml").read_bytes()
    shutil.rmtree(world.session.file_sd)
    world.session.file_sd.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("monitord.dropfolder.folder.read_file", unreadable)
        world.start()
        world.settle()
        assert world.scraped() == {"a"}
    world.settle()
    assert world.session.target_status("a.yaml").read_bytes() == before
    assert "target_file.accepted" not in events(world.entries)


@pytest.mark.parametrize("content", [GOOD, b"clinet: c1\n"])
def test_what_was_deleted_while_no_daemon_ran_is_withdrawn(world: World, content: bytes) -> None:
    path = world.drop("a.yaml", content)
    world.settle()
    path.unlink()
    world.start()
    world.settle()
    assert world.scraped() == set()
    assert world.status("a.yaml")["reason"] == "the file was deleted"
    world.start()
    world.settle()
    assert events(world.entries) == []


def test_a_lease_renewed_before_a_restart_is_not_lost_to_it(world: World) -> None:
    """The last line does not end, so the file is read again only a second after the restart."""
    path = world.drop("a.yaml", GOOD + b"lease: 1m", age=0.0)
    world.settle()
    world.clock.advance(50.0)
    world.touch(path, age=0.0)
    world.settle()
    world.clock.advance(50.0)
    world.start()
    world.settle()
    assert world.scraped() == {"a"}
    assert events(world.entries) == []
    world.pass_by(60.0)
    assert world.scraped() == set()
    assert "the lease expired" in world.status("a.yaml")["reason"]
    world.touch(path, age=0.0)
    world.settle()
    assert world.scraped() == {"a"}


def test_a_lease_does_not_run_out_while_no_file_could_be_looked_at(world: World) -> None:
    """As when the file system hangs, for the client that would have touched its file too."""
    path = world.drop("a.yaml", GOOD + b"lease: 1m\n", age=0.0)
    world.settle()
    world.clock.advance(300.0)
    world.round()
    assert world.scraped() == {"a"}
    world.pass_by(50.0)
    world.touch(path, age=0.0)
    world.pass_by(50.0)
    assert world.scraped() == {"a"}
    assert "target_file.withdrawn" not in events(world.entries)
    world.pass_by(15.0)
    assert world.scraped() == set()


def test_a_file_of_an_ended_job_is_never_scraped_not_even_after_a_restart(world: World) -> None:
    world.drop("a.yaml", GOOD + b"slurm_job: 7\n")
    world.ended = frozenset({"7"})
    for _ in range(2):
        world.settle()
        assert world.scraped() == set()
        assert "target_file.accepted" not in events(world.entries)
        assert world.status("a.yaml")["reason"] == "Slurm job 7 has left the queue"
        world.start()


def test_the_next_round_is_due_when_a_lease_ends(world: World) -> None:
    world.drop("a.yaml", GOOD + b"lease: 2m\n")
    assert world.reconciler.reconcile() == pytest.approx(60.0, abs=0.01)


def test_health_is_published_and_a_scrape_alone_is_no_reason_to_write(world: World) -> None:
    world.drop("a.yaml", GOOD)
    world.settle()
    key = ("c1", "a", "h:1")
    world.set_healths({key: ScrapeHealth("up", "", "2026-01-01T00:00:00Z")})
    [endpoint] = world.status("a.yaml")["endpoints"]
    assert (endpoint["health"], endpoint["last_scrape"]) == ("up", "2026-01-01T00:00:00Z")
    before = world.session.target_status("a.yaml").stat()
    world.set_healths({key: ScrapeHealth("up", "", "2026-01-01T00:00:05Z")})
    assert world.session.target_status("a.yaml").stat() == before
    world.set_healths({key: ScrapeHealth("down", "refused", "2026-01-01T00:00:10Z")})
    assert world.status("a.yaml")["endpoints"][0]["last_error"] == "refused"


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe.yaml", b"a\nb.yaml", b"\x1b[2J.yaml", b"a" * 250 + b".yaml", b"%2e.yaml"]
)
def test_names_of_any_kind_get_their_status(world: World, raw: bytes) -> None:
    name = os.fsdecode(raw)
    world.drop(name, GOOD)
    for _ in range(2):
        world.settle()
        assert world.scraped() == {"a"}
        assert world.status(name)["file"] == name
        world.start()
    (world.session.targets / name).unlink()
    world.settle()
    assert world.scraped() == set()
    assert world.status(name)["state"] == "withdrawn"


@pytest.mark.parametrize("modified_at", [-5.0, 1e12])
def test_a_file_from_no_time_of_the_calendar_is_one_like_any_other(
    world: World, monkeypatch: pytest.MonkeyPatch, modified_at: float
) -> None:
    """Some file systems keep any number as a time."""

    def read(_: Path, name: str) -> tuple[Signature, DroppedFile]:
        return (1, 2, 3, 4), DroppedFile(name, modified_at, int(modified_at * 1e9), GOOD)

    world.drop("a.yaml", GOOD)
    monkeypatch.setattr(dropfolder, "read_file", read)
    for _ in range(2):
        world.settle()
        assert world.scraped() == {"a"}
        assert world.status("a.yaml")["state"] == "accepted"
        world.start()
    assert world.reconciler.registry.in_force()


def test_what_is_no_status_of_ours_is_passed_over(world: World) -> None:
    for index, content in enumerate((b"", b"[]", b"{}", b'{"in_force": 1}', b"null", b"\xff")):
        (world.session.target_statuses / f"{index}.yaml.json").write_bytes(content)
    world.drop("a.yaml", GOOD)
    world.start()
    world.settle()
    assert world.scraped() == {"a"}


def fails_once(real: Callable[..., Any]) -> Callable[..., Any]:
    failures = iter([OSError(28, "No space left on device")])

    def attempt(*arguments: Any, **keywords: Any) -> Any:
        for failure in failures:
            raise failure
        return real(*arguments, **keywords)

    return attempt


@pytest.mark.parametrize("what", [shards, HeldSession])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_full_disk_delays_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, what: Any, deleted: bool
) -> None:
    path = world.drop("a.yaml", GOOD)
    if deleted:
        world.settle()
        path.unlink()
        world.round()
        world.clock.advance(1.0)
    monkeypatch.setattr(what, "publish", fails_once(what.publish))
    with pytest.raises(OSError, match="No space"):
        world.round()
    world.settle()
    assert world.scraped() == (set() if deleted else {"a"})
    assert world.status("a.yaml")["state"] == ("withdrawn" if deleted else "accepted")


def test_leftovers_in_file_sd_are_removed(world: World) -> None:
    (world.session.file_sd / "old.json").write_bytes(b"[]")
    (world.session.file_sd / ".tmp-a.json.1").write_bytes(b"[")
    world.drop("a.yaml", GOOD)
    world.start()
    world.settle()
    assert [path.name for path in world.session.file_sd.iterdir()] == [shards.shard_of("a.yaml")]


def test_ten_thousand_files_and_one_change_among_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10_000):
        text = f"services: [{{name: a, endpoint: 'http://h:{number + 1}/'}}]\n"
        world.drop(f"c{number:05}.yaml", text.encode())
    world.settle(2)
    assert len(world.reconciler.registry.in_force()) == 10_000
    assert len(list(world.session.target_statuses.iterdir())) == 10_000
    shard_files = list(world.session.file_sd.iterdir())
    assert len(shard_files) == shards.SHARDS
    assert sum(len(json.loads(path.read_bytes())) for path in shard_files) == 10_000
    opened: list[str] = []
    written: list[str] = []
    monkeypatch.setattr(os, "open", counting(os.open, opened))
    monkeypatch.setattr("monitord.system.atomic.write_synced", counting(write_synced, written))
    world.drop("c00007.yaml", OTHER)
    world.reconciler.folder.suspect()
    world.settle(4)
    monkeypatch.undo()
    assert len([path for path in opened if path.endswith("c00007.yaml")]) <= 2
    assert len([path for path in opened if path.endswith(".yaml")]) <= 2, "no other input is opened"
    assert len([path for path in written if "file_sd" in path]) == 2, "one, and its copy"
    assert len([path for path in written if "status" in path]) == 1


def counting(function: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    """Return a function that notes its first argument and does the same."""

    def call(path: Any, *arguments: Any, **more: Any) -> Any:
        calls.append(str(path))
        return function(path, *arguments, **more)

    return call


@pytest.mark.parametrize("deleted", [False, True])
def test_a_round_that_fails_before_anything_is_decided_finds_the_same_again(
    world: World, deleted: bool
) -> None:
    old = world.drop("old.yaml", GOOD)
    world.settle()
    if deleted:
        old.unlink()
    world.drop("a.yaml", GOOD.replace(b"name: a", b"name: b"))
    world.trouble = RuntimeError("can't start new thread")
    for _ in range(5):
        with suppress(RuntimeError):
            world.round()
        world.clock.advance(0.5)
    world.trouble = None
    world.clock.advance(30.0)
    world.settle()
    assert world.scraped() == ({"b"} if deleted else {"a", "b"})
    assert world.status("a.yaml")["state"] == "accepted"
    assert world.status("old.yaml")["state"] == ("withdrawn" if deleted else "accepted")


def test_a_round_that_fails_while_it_is_noted_what_is_scraped_notes_it_in_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.drop("a.yaml", GOOD)
    with monkeypatch.context() as patched:
        patched.setattr(shards.Shards, "put", fails_once(shards.Shards.put))
        with pytest.raises(OSError, match="No space"):
            world.settle()
    world.settle()
    assert world.scraped() == {"a"}
    assert world.status("a.yaml")["state"] == "accepted"
    assert events(world.entries).count("target_file.accepted") == 1
