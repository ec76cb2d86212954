"""`monitord run`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli.daemon_command import MONITORD, run_arguments
from monitord.cli.options import daemon_options, open_session, session_option


@click.command("run")
@session_option
@daemon_options
@click.option("--supervised", is_flag=True, help="Start the daemon again when it crashes; for batch jobs.")
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

    It then closes and collects open windows, stops Prometheus and exits with 0. SIGUSR1 says that the
    allocation is about to end: that is done in all the time which is left.

    \b
    Example:
      monitord run --session bench01 --port 0
    """
    session = open_session(root.absolute(), session_name)
    if supervised:
        from monitord.children import spawn_sharing
        from monitord.parent import run_supervised

        given = {"no_auth": no_auth, "prometheus_binary": prometheus_binary, "port": port,
                 "data_dir": data_dir, "handover": handover}  # fmt: skip
        return run_supervised(lambda: spawn_sharing([*MONITORD, *run_arguments(session, given)]))
    from monitord.app import run
    from monitord.settings import load_settings

    flags = {
        "prometheus.auth": False if no_auth else None,
        "prometheus.binary": prometheus_binary,
        "prometheus.port": port,
        "prometheus.data_dir": data_dir,
        "handover": handover or None,
    }
    return run(session, lambda: load_settings(session.settings_file, flags)[0])
