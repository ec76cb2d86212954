"""`monitord run`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli.options import open_session, session_option


@click.command("run")
@session_option
@click.option("--no-auth", is_flag=True, help="Let everybody on this node into Prometheus, without a password.")
@click.option("--prometheus-binary", metavar="P", help="Prometheus [default: $MONITORD_PROMETHEUS, else from $PATH].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of Prometheus; 0 takes a free one.")
@click.option("--data-dir", metavar="D", help="Where Prometheus keeps its data; a node-local disk is best.")
def command(
    session_name: str, root: Path, no_auth: bool, prometheus_binary: str | None, port: int | None, data_dir: str | None
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
    settings, _ = load_settings(session.settings_file, flags)
    return run(session, settings)
