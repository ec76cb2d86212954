"""`monitord run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from monitord.cli._options import daemon_options, session_option
from monitord.client.daemon_command import DaemonOptions, daemon_command
from monitord.errors import PassingError, is_passing
from monitord.session.folder import Session, open_session
from monitord.system.names import check_name

WHAT_NEXT = (
    "the problem may be temporary: start the daemon again later; systemd and run --supervised do so by "
    "themselves"
)


@click.command("run")
@session_option
@daemon_options
@click.option("--supervised", is_flag=True, help="Restart the daemon when it crashes; for batch jobs.")
def command(
    session_name: str,
    root: Path,
    no_auth: bool,
    prometheus_binary: str | None,
    port: int | None,
    data_dir: str | None,
    handover: bool,
    supervised: bool,
) -> int:
    """Run the daemon of a session in the foreground, until SIGTERM or Ctrl-C.

    On SIGTERM it closes and collects open windows, stops Prometheus and exits with 0. SIGUSR1 announces
    the end of the allocation: the daemon does the same in the time that is left. Exit code 75 means a
    temporary problem, such as a full disk: start the daemon again, as --supervised does.

    \b
    Example:
      monitord run --session bench01 --port 0
    """
    if supervised:
        from monitord.daemon.parent_process import run_supervised
        from monitord.system.children import spawn_sharing

        options = DaemonOptions(no_auth, prometheus_binary, port, data_dir, handover)
        # The daemon checks that the session exists: this process opens no file.
        session = Session(root.absolute(), check_name(session_name, "session"))
        command = daemon_command(session, options)
        return run_supervised(lambda: spawn_sharing(command))
    flags = {
        "prometheus.auth": False if no_auth else None,
        "prometheus.binary": prometheus_binary,
        "prometheus.port": port,
        "prometheus.data_dir": data_dir,
        "handover": handover or None,
    }
    try:
        return _run(root.absolute(), session_name, flags)
    except Exception as error:
        if not is_passing(error):
            raise
        raise PassingError(f"{_in_words(error)}; {WHAT_NEXT}") from error


def _run(root: Path, session_name: str, flags: Mapping[str, Any]) -> int:
    from monitord.app import run
    from monitord.session.settings_sources import load_settings

    session = open_session(root, session_name)
    return run(session, lambda: load_settings(session.settings_file, flags)[0])


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
