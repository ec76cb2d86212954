"""Clients on another node: every file here is written behind the back of the daemon's inotify.

The daemon sees the session on a mount, the clients write straight into the folder that is mounted.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from monitord.session.lease import HEARTBEAT_SECONDS
from tests.conftest import wait_until
from tests.e2e.conftest import PATIENCE, Bench, benches
from tests.fakes.blind_mount import BlindMount, UnavailableError, blind_mount
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

POLL_SECONDS = 0.2
FULL_SCAN_SECONDS = 1.0
MANY = 300
TORN_PAUSE_SECONDS = 0.8  # a last line without its end is waited for this long, or a little longer


@contextmanager
def mounts(folder: Path) -> Iterator[BlindMount]:
    try:
        with blind_mount(folder) as mount:
            yield mount
    except UnavailableError as error:
        pytest.skip(str(error))


@contextmanager
def blind_benches(mount: BlindMount, **settings: object) -> Iterator[Bench]:
    root = mount.backing / "sessions"
    root.mkdir()
    blind = {
        "prometheus__data_dir": str(mount.backing.parent / "data"),  # as on a node's own disk
        "watch__poll_interval": f"{POLL_SECONDS}s",
        "watch__full_scan_interval": f"{FULL_SCAN_SECONDS}s",
    }
    with benches(root, mount.mounted / "sessions", **{**blind, **settings}) as bench:
        bench.run()
        yield bench


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A daemon for the tests that change nothing but files of their own."""
    with mounts(tmp_path_factory.mktemp("blind")) as mount, blind_benches(mount) as bench:
        yield bench


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[BlindMount]:
    with mounts(tmp_path) as found:
        yield found


@pytest.fixture
def bench(mount: BlindMount) -> Iterator[Bench]:
    with blind_benches(mount) as found:
        yield found


def target(port: int) -> str:
    return f'exporters: {{node: "127.0.0.1:{port}"}}\n'


def replace(bench: Bench, name: str, text: str) -> None:
    """Put a file in place as a careful client does: whole, under another name first."""
    temporary = bench.session.targets / f".{name}.tmp"
    temporary.write_text(text)
    temporary.replace(bench.session.targets / name)


def in_file_sd(bench: Bench) -> dict[str, set[str]]:
    """Return the addresses that file_sd holds, by client, whichever file holds them."""
    addresses: dict[str, set[str]] = {}
    for path in bench.session.file_sd.glob("*.json"):
        try:
            groups = json.loads(path.read_bytes())
        except FileNotFoundError:
            continue
        for group in groups:
            addresses.setdefault(group["labels"]["client"], set()).update(group["targets"])
    return addresses


def wait_for(bench: Bench, client: str, *ports: int) -> None:
    """Wait until a client has exactly these targets."""
    wanted = {f"127.0.0.1:{port}" for port in ports}
    wait_until(lambda: in_file_sd(bench).get(client, set()) == wanted, f"{client} at {ports}", PATIENCE)


def states(bench: Bench, clients: list[str]) -> set[str | None]:
    return {bench.target(f"{client}.yaml").get("state") for client in clients}  # None: not told yet


def wait_full_scans(bench: Bench, probe: str) -> None:
    """Wait until the daemon has looked at all files again: also at a file dropped after now."""
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 2 * FULL_SCAN_SECONDS, "two full scans", PATIENCE)
    bench.drop(f"{probe}.yaml", target(9))
    wait_for(bench, probe, 9)


def withdrawn(bench: Bench) -> list[str]:
    return [line["file"] for line in bench.log("target_file.withdrawn")]


class Names(FileSystemEventHandler):
    """Remembers which names inotify told of."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def on_any_event(self, event: FileSystemEvent) -> None:
        self.names.add(Path(os.fsdecode(event.src_path)).name)


def test_the_mount_is_blind_to_what_is_written_behind_it(mount: BlindMount) -> None:
    events, observer = Names(), Observer()
    observer.schedule(events, str(mount.mounted))
    observer.start()
    try:
        for name in ("new", "again"):
            (mount.backing / name).write_text("unseen")
        (mount.backing / "again").unlink()
        assert [path.name for path in mount.mounted.iterdir()] == ["new"]
        (mount.mounted / "barrier").write_text("seen")  # events come in order: none can still be late
        wait_until(lambda: "barrier" in events.names, "the event of a write through the mount")
    finally:
        observer.stop()
        observer.join()
    assert not events.names & {"new", "again"}
    assert (mount.mounted / "new").read_text() == "unseen"  # not before: to read raises events, too


def test_the_daemon_does_not_trust_inotify_there(shared: Bench) -> None:
    assert shared.daemon["watch"] == "poll"


def test_a_file_is_dropped_changed_renamed_over_and_deleted(shared: Bench) -> None:
    file = shared.drop("life.yaml", target(1001))
    wait_for(shared, "life", 1001)
    with file.open("r+") as same:  # as an editor that saves in place: same inode, same size
        same.write(target(1002))
    wait_for(shared, "life", 1002)
    replace(shared, "life.yaml", target(1003))
    wait_for(shared, "life", 1003)
    assert "life.yaml" not in withdrawn(shared)
    file.unlink()
    wait_for(shared, "life")
    assert withdrawn(shared).count("life.yaml") == 1
    shared.drop("life.yaml", target(1004))
    wait_for(shared, "life", 1004)


def test_a_file_deleted_and_created_again_in_one_go_was_never_away(shared: Bench) -> None:
    file = shared.drop("again.yaml", target(1100))
    wait_for(shared, "again", 1100)
    for port in range(1101, 1111):
        file.unlink()
        file.write_text(target(port))
        wait_for(shared, "again", port)
    assert "again.yaml" not in withdrawn(shared)


def test_a_truncated_file_leaves_its_last_good_version_in_force(shared: Bench) -> None:
    names = ["emptied", "halved"]
    for name in names:
        shared.drop(f"{name}.yaml", target(1200))
        wait_for(shared, name, 1200)
    os.truncate(shared.session.targets / "emptied.yaml", 0)
    os.truncate(shared.session.targets / "halved.yaml", len(target(1200)) // 2)
    wait_until(lambda: states(shared, names) == {"refused"}, "both to be told", PATIENCE)
    wait_full_scans(shared, "after-truncation")
    assert [in_file_sd(shared)[name] for name in names] == [{"127.0.0.1:1200"}] * 2
    for name in names:
        shared.drop(f"{name}.yaml", target(1201))
        wait_for(shared, name, 1201)


def write_slowly(file: Path, text: str, pause: float, look: Callable[[], None]) -> float:
    """Write a file byte by byte, looking after each; return the longest that it stood still."""
    longest, last = 0.0, time.monotonic()
    with file.open("wb", buffering=0) as output:
        for byte in text.encode():
            output.write(bytes([byte]))
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            wait_until(lambda: time.monotonic() - last > pause, "the next byte")  # noqa: B023
            look()
    return longest


def test_a_slowly_written_file_is_never_half_accepted(shared: Bench) -> None:
    # Cut short, the port is another valid one: only patience tells that the file is not whole.
    text, seen = "exporters:\n  node: 127.0.0.1:12345\n", set[str]()

    def look() -> None:
        seen.update(in_file_sd(shared).get(f"slow{attempt}", ()))

    for attempt in range(3):
        longest = write_slowly(shared.session.targets / f"slow{attempt}.yaml", text, 0.05, look)
        wait_for(shared, f"slow{attempt}", 12345)
        if longest < TORN_PAUSE_SECONDS:
            break
        seen.clear()  # this machine held the writer up for so long that it looked done
    else:
        pytest.skip(f"this machine stands still for {longest:.1f} s at a time")
    assert seen <= {"127.0.0.1:12345"}


def test_many_files_at_once(shared: Bench) -> None:
    for number in range(MANY):
        shared.drop(f"many{number}.yaml", target(20000 + number))
    wanted = {f"many{number}": {f"127.0.0.1:{20000 + number}"} for number in range(MANY)}
    wait_until(lambda: wanted.items() <= in_file_sd(shared).items(), "all of them", PATIENCE)
    for number in range(MANY):
        (shared.session.targets / f"many{number}.yaml").unlink()
    wait_until(lambda: not wanted.keys() & in_file_sd(shared).keys(), "none of them", PATIENCE)


def test_a_window_is_opened_and_collected(shared: Bench, exporter: FakeExporter) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    shared.drop("web.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
    shared.wait_up("web.yaml")
    shared.mark("blind.start")
    shared.wait_window("blind", "open")
    shared.mark("blind.stop")
    shared.wait_window("blind")
    assert shared.window("blind")["state"] == "done"
    assert "web" in {row["job"] for row in shared.table("blind", "coverage.csv")}
    shared.mark("never-mind.start")
    shared.wait_window("never-mind", "open")
    shared.mark("never-mind.cancel")
    shared.wait_window("never-mind", "cancelled")


Away = Callable[[BlindMount, Bench], AbstractContextManager[None]]


@contextmanager
def unmounted(mount: BlindMount, bench: Bench) -> Iterator[None]:
    mount.unmount()
    try:
        yield
    finally:
        mount.mount()


@contextmanager
def renamed_away(mount: BlindMount, bench: Bench) -> Iterator[None]:
    aside = bench.session.targets.with_name("targets.aside")
    bench.session.targets.rename(aside)
    try:
        yield
    finally:
        aside.rename(bench.session.targets)


@contextmanager
def hung(mount: BlindMount, bench: Bench) -> Iterator[None]:
    with mount.hung():
        yield


@pytest.mark.parametrize("away", [unmounted, renamed_away, hung])
def test_a_folder_that_is_away_for_a_while_withdraws_nothing(
    mount: BlindMount, bench: Bench, away: Away
) -> None:
    daemon = bench.started[0]
    wanted = {f"c{number}": {f"127.0.0.1:{1300 + number}"} for number in range(5)}
    for number in range(5):
        bench.drop(f"c{number}.yaml", target(1300 + number))
    wait_until(lambda: in_file_sd(bench) == wanted, "all targets", PATIENCE)
    with away(mount, bench):
        begun = time.monotonic()
        # Longer than from one heartbeat to the next: the daemon misses the whole session's folder.
        while time.monotonic() - begun < HEARTBEAT_SECONDS + 1.5:
            assert in_file_sd(bench) == wanted
            assert daemon.poll() is None, (bench.root / "daemon.out").read_text()
            time.sleep(0.1)
    bench.drop("later.yaml", target(1400))
    wait_for(bench, "later", 1400)
    assert in_file_sd(bench) == {**wanted, "later": {"127.0.0.1:1400"}}
    assert not withdrawn(bench)
    assert daemon.poll() is None
    # It supervises on: Prometheus still runs, and one that dies is replaced.
    wait_until(lambda: bench.is_ready(daemon), "the daemon to be ready", PATIENCE)
    prometheus = bench.daemon["prometheus"]["pid"]
    os.kill(prometheus, signal.SIGKILL)
    wait_until(lambda: bench.daemon["prometheus"]["pid"] not in (None, prometheus), "a new one", PATIENCE)


def test_a_folder_put_in_the_place_of_the_old_one_is_followed(bench: Bench) -> None:
    bench.drop("stays.yaml", target(1500))
    bench.drop("goes.yaml", target(1501))
    for number, client in enumerate(("stays", "goes")):
        wait_for(bench, client, 1500 + number)
    targets = bench.session.targets
    new = targets.with_name("targets.new")
    new.mkdir()
    for name, port in (("stays.yaml", 1500), ("comes.yaml", 1502)):
        (new / name).write_text(target(port))
    targets.rename(targets.with_name("targets.old"))
    new.rename(targets)
    wait_for(bench, "comes", 1502)
    wait_for(bench, "goes")
    wait_for(bench, "stays", 1500)
    assert withdrawn(bench) == ["goes.yaml"]
