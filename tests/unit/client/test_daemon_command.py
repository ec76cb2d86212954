"""The flags of a daemon that is started by another command."""

from __future__ import annotations

import pytest

from monitord.client.daemon_command import MONITORD, DaemonOptions, daemon_command
from monitord.session.folder import Session


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (DaemonOptions(), []),
        (DaemonOptions(port=0), ["--port", "0"]),
        (DaemonOptions(no_auth=True, handover=True), ["--no-auth", "--continue"]),
        (
            DaemonOptions(prometheus_binary="/p", data_dir="/d d"),
            ["--prometheus-binary", "/p", "--data-dir", "/d d"],
        ),
    ],
)
def test_each_option_is_passed_on(session: Session, options: DaemonOptions, expected: list[str]) -> None:
    start = [*MONITORD, "run", "--root", str(session.root), "--session", "s"]
    assert daemon_command(session, options) == [*start, *expected]
