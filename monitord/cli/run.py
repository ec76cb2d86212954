"""`monitord run`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli.options import daemon_options, open_session, session_option


@click.command("run")
@session_option
@daemon_options
def command(
    session_name: str,
    root: Path,
    no_auth: bool,
    prometheus_binary: str | None,
    port: int | None,
    data_dir: str | None,
) -> int:
    """Run the daemon of a session in the foreground, until SIGTERM or Ctrl-C.

    It then closes and collects open windows, stops Prometheus and exits with 0.

    \b
    Example:
      monitord run --session bench01 --port 0
    """
    from monitord.app import run
    from monitord.settings import load_settings

    session = open_session(root.absolute(), session_name)
    flags = {
        "prometheus.auth": False if no_auth else None,
        "prometheus.binary": prometheus_binary,
        "prometheus.port": port,
        "prometheus.data_dir": data_dir,
    }
    return run(session, lambda: load_settings(session.settings_file, flags)[0])
