"""A session on a file system whose client shows listings of a minute ago, as NFS's may."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.session.lease import HEARTBEAT_SECONDS, VALID_SECONDS, Signs, acquire, highest_term
from monitord.system.fresh_listing import listing_refresher, no_refresh
from tests.conftest import wait_until
from tests.e2e.conftest import Bench, benches
from tests.fakes.blind_mount import UnavailableError
from tests.fakes.kept_listing import KeptListing, kept_listing

pytestmark = pytest.mark.real


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[KeptListing]:
    try:
        with kept_listing(tmp_path) as found:
            yield found
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def bench(mount: KeptListing, tmp_path: Path) -> Iterator[Bench]:
    """The daemon works on the mount, everybody else on the server."""
    root, data = mount.served / "sessions", str(tmp_path / "data")
    root.mkdir()
    with benches(root, mount.mounted / "sessions", prometheus__data_dir=data) as found:
        yield found


def test_a_listing_that_is_kept_ends_with_a_change_of_this_client(mount: KeptListing) -> None:
    seen, see = mount.mounted / "lease", listing_refresher(mount.mounted)
    (mount.served / "lease").mkdir()
    assert highest_term(seen) is None
    (mount.served / "lease" / "1.json").touch()
    assert highest_term(seen) is None  # what the test is about
    see(seen)
    assert highest_term(seen) == 1


def test_a_daemon_sees_that_its_session_was_taken_over_from_another_client(bench: Bench) -> None:
    daemon = bench.run()
    signs = Signs(lambda: None, lambda _: None, refresh=no_refresh)
    acquire(bench.session.lease, "mel0999", time.time(), signs)
    wait_until(lambda: daemon.poll() is not None, "it to see that", VALID_SECONDS + 4 * HEARTBEAT_SECONDS)
    assert daemon.returncode == 3
    [superseded] = bench.log("daemon.superseded")
    assert "took this session over" in superseded["reason"]
