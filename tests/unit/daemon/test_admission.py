"""What a file asks for that it may not have, and what becomes of it when that changes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from monitord.session.settings import Settings, check_settings
from monitord.targets.credentials import MAX_CREDENTIALS, Reference, ScrapeCredentials
from tests.fakes.log import events
from tests.unit.daemon.world import GOOD, World

SETTINGS = "watch: {poll_interval: 100ms, full_scan_interval: 100ms}\n"


def settings(targets: str) -> Settings:
    return check_settings(f"{SETTINGS}targets: {{{targets}}}\n".encode())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("hunter2")
    path.chmod(0o600)
    return path


def reason(world: World, name: str = "a.yaml") -> str:
    status = world.status(name)
    assert status["state"] == "refused"
    [error] = status["errors"]
    return f"{error['line']}:{error['column']}: {error['field']}: {error['message']}"


# --- addresses


def test_a_denied_address_is_refused_where_it_stands_and_nothing_is_resolved(world: World) -> None:
    world.drop("a.yaml", b"client: c1\nexporters: {a: 9100, b: '169.254.169.254:80'}\n")
    world.settle()
    assert reason(world).startswith("2:25: : 169.254.169.254 may not be scraped: ")
    assert world.scraped() == set()
    assert world.asked == []


def test_one_problem_for_each_place_however_many_hosts(world: World) -> None:
    world.drop("a.yaml", b"nodes: metadata,instance-data\nexporters: {a: 1, b: 2}\n")
    world.settle()
    assert [(error["line"], error["column"]) for error in world.status("a.yaml")["errors"]] == [
        (2, 16),
        (2, 22),
    ]


def test_a_name_at_a_denied_address_is_refused_and_the_last_good_version_stays(world: World) -> None:
    world.drop("a.yaml", GOOD)
    world.settle()
    world.names["rebound.evil.org"] = ("169.254.169.254",)
    world.drop("a.yaml", GOOD.replace(b"//h:1", b"//rebound.evil.org:1"))
    world.settle()
    assert "rebound.evil.org may not be scraped: 169.254.169.254 is in 169.254.0.0/16" in reason(world)
    assert world.scraped() == {"a"}
    assert world.status("a.yaml")["endpoints"][0]["url"] == "http://h:1/"


def test_a_name_that_turns_out_to_be_at_a_denied_address_goes(world: World) -> None:
    del world.names["h"]
    world.drop("a.yaml", GOOD)
    world.settle()
    assert world.scraped() == {"a"}
    world.names["h"] = ("169.254.169.254",)
    world.clock.advance(10.0)
    world.settle()
    assert world.scraped() == set()
    status = world.status("a.yaml")
    assert (status["in_force"], status["endpoints"]) == (None, [])
    assert "h may not be scraped: 169.254.169.254 is in" in reason(world)
    assert "h may not be scraped" in status["reason"]


def test_a_name_that_needs_an_address_to_be_allowed_is_taken_once_it_has_one(world: World) -> None:
    world.settings = settings("allow: [10.0.0.0/8]")
    del world.names["h"]
    world.start()
    world.drop("a.yaml", GOOD)
    world.settle()
    assert "h may not be scraped yet: it does not resolve" in reason(world)
    assert world.scraped() == set()
    world.names["h"] = ("10.0.0.1",)
    world.clock.advance(10.0)
    world.settle()
    assert world.status("a.yaml")["state"] == "accepted"
    assert world.scraped() == {"a"}


def test_a_name_that_lost_its_address_loses_nothing_that_is_in_force(world: World) -> None:
    world.settings = settings("allow: [10.0.0.0/8]")
    world.start()
    path = world.drop("a.yaml", GOOD)
    world.settle()
    del world.names["h"]
    world.touch(path, age=30.0)
    for _ in range(2):
        world.settle()
        assert world.status("a.yaml")["state"] == "refused"
        assert world.scraped() == {"a"}
        world.start()


def test_the_next_round_is_due_when_a_name_is_looked_up_again(world: World) -> None:
    del world.names["h"]
    world.drop("a.yaml", GOOD)
    world.settle()
    assert (world.reconciler.reconcile() or 0.0) > 0.0
    world.names["h"] = ("10.0.0.1",)
    world.clock.advance(10.0)
    world.settle()
    assert world.reconciler.reconcile() is None


def test_the_names_of_a_file_that_is_gone_are_looked_up_no_more(world: World) -> None:
    del world.names["h"]
    path = world.drop("a.yaml", GOOD)
    world.settle()
    path.unlink()
    world.settle()
    asked = len(world.asked)
    world.clock.advance(10.0)
    world.settle()
    assert len(world.asked) == asked > 0


@pytest.mark.parametrize("readable", [True, False])
def test_what_changed_settings_deny_goes_at_the_restart(
    world: World, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    world.drop("a.yaml", GOOD)
    world.drop("b.yaml", GOOD.replace(b"h:1", b"10.0.0.1:1").replace(b"name: a", b"name: b"))
    world.settle()
    assert world.scraped() == {"a", "b"}
    world.settings = settings("deny: [10.0.0.0/30]")
    with monkeypatch.context() as patched:
        if not readable:
            patched.setattr("monitord.dropfolder.folder.read_file", unreadable)
        world.start()
        world.settle()
        assert world.scraped() == {"a"}
        assert "10.0.0.1 may not be scraped: 10.0.0.1 is in 10.0.0.0/30" in reason(world, "b.yaml")
        assert events(world.entries)[0] == "target_file.withdrawn"
    world.settings = settings("deny: []")
    world.start()
    world.settle()
    assert world.scraped() == {"a", "b"}
    assert world.status("b.yaml")["state"] == "accepted"


def unreadable(*_: object) -> None:
    raise OSError(5, "Input/output error")


# --- credentials


def with_password(secret: Path, user: str = "bench") -> bytes:
    return GOOD + f"basic_auth: {{username: {user}, password_file: {secret}}}\n".encode()


def test_targets_with_credentials_have_separate_files_and_wake_the_loop(world: World, secret: Path) -> None:
    world.drop("a.yaml", with_password(secret))
    world.drop("b.yaml", GOOD.replace(b"name: a", b"name: b"))
    world.settle()
    [credentials] = world.reconciler.credentials
    assert credentials == ScrapeCredentials("bench", str(secret))
    assert {path.name.rpartition("-")[0]: jobs(path) for path in world.session.file_sd.iterdir()} == {
        "targets": ["b"],
        f"auth-{credentials.digest}": ["a"],
    }
    assert world.woken.count("config") == 1
    (world.session.targets / "a.yaml").unlink()
    world.settle()
    assert not world.reconciler.credentials
    assert world.woken.count("config") == 2
    assert world.scraped() == {"b"}


def jobs(path: Path) -> list[str]:
    return [group["labels"]["job"] for group in json.loads(path.read_bytes())]


def test_a_restart_knows_the_credentials_and_no_file_of_the_session_the_secret(
    world: World, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.drop("a.yaml", with_password(secret))
    world.settle()
    before = world.reconciler.credentials
    monkeypatch.setattr("monitord.dropfolder.folder.read_file", unreadable)
    world.start()
    assert world.reconciler.credentials == before
    assert before
    assert world.woken == ["config"]
    for path in world.session.folder.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes()


def test_others_files_may_not_use_the_daemons_credentials(world: World, secret: Path) -> None:
    asked: list[Reference] = []

    def look(reference: Reference) -> str:
        asked.append(reference)
        return ""

    world.uid, world.problem_of = os.geteuid() + 1, look
    world.start()
    world.drop("a.yaml", with_password(secret))
    world.drop("b.yaml", b"exporters: {b: 'https://h/'}\ntls: {insecure_skip_verify: true}\n")
    world.settle()
    assert reason(world).startswith(
        "3:46: basic_auth.password_file: credentials are used only for files of the daemon's own user, "
        f"and this one belongs to uid {os.geteuid()}"
    )
    assert "credentials are used only for files" in reason(world, "b.yaml")
    assert asked == [], "nobody is told which files of the daemon's user there are"
    assert not world.reconciler.credentials


@pytest.mark.parametrize("mode", [0o660, 0o602])
def test_nor_may_a_file_that_others_can_write(world: World, secret: Path, mode: int) -> None:
    path = world.drop("a.yaml", with_password(secret))
    path.chmod(mode)
    world.settle()
    assert "others may write this file and have credentials sent elsewhere" in reason(world)
    path.chmod(0o640)
    world.settle()
    assert world.status("a.yaml")["state"] == "accepted"


def test_a_secret_that_is_mended_is_used_by_itself(world: World, secret: Path) -> None:
    secret.chmod(0o644)
    world.drop("a.yaml", with_password(secret))
    world.settle()
    assert reason(world) == (
        f"3:46: basic_auth.password_file: {secret} is accessible to other users; run: chmod 600 {secret}"
    )
    assert world.scraped() == set()
    secret.chmod(0o600)
    world.clock.advance(60.0)
    world.settle()
    assert world.status("a.yaml")["state"] == "accepted"
    assert world.scraped() == {"a"}


def test_a_secret_that_was_opened_to_others_is_used_no_more_until_it_is_mended(
    world: World, secret: Path
) -> None:
    world.drop("a.yaml", with_password(secret))
    world.settle()
    [before] = world.reconciler.credentials
    secret.chmod(0o644)
    world.clock.advance(60.0)
    world.settle()
    assert not world.reconciler.credentials
    assert "is accessible to other users" in reason(world)
    assert world.status("a.yaml")["in_force"]
    secret.chmod(0o600)
    world.clock.advance(60.0)
    world.settle()
    assert list(world.reconciler.credentials) == [before]
    assert world.status("a.yaml")["state"] == "accepted"
    assert world.woken.count("config") == 3


def test_a_secret_that_was_changed_wakes_the_loop(world: World, secret: Path) -> None:
    world.drop("a.yaml", with_password(secret))
    world.settle()
    [before] = world.reconciler.credentials.values()
    world.clock.advance(60.0)
    world.settle()
    assert world.woken.count("config") == 1
    secret.write_bytes(b"hunter3 is longer")
    world.clock.advance(60.0)
    world.settle()
    [after] = world.reconciler.credentials.values()
    assert (before != after, world.woken.count("config")) == (True, 2)


def test_a_session_has_only_so_many_credentials(world: World, secret: Path) -> None:
    for number in range(MAX_CREDENTIALS + 1):
        content = with_password(secret, f"u{number}").replace(b"name: a", b"name: n%d" % number)
        world.drop(f"{number:02}.yaml", content)
    world.settle()
    assert len(world.reconciler.credentials) == MAX_CREDENTIALS
    last = f"{MAX_CREDENTIALS:02}.yaml"
    states = [world.status(path.name)["state"] for path in sorted(world.session.targets.iterdir())]
    assert states.count("refused") == 1
    refused = next(path for path in world.session.targets.iterdir() if world.status(path.name)["errors"])
    assert "more than 32 different credentials in one session" in reason(world, refused.name)
    (world.session.targets / ("00.yaml" if refused.name == last else last)).unlink()
    world.clock.advance(60.0)
    world.settle()
    world.clock.advance(60.0)
    world.settle()
    assert world.status(refused.name)["state"] == "accepted"
