"""`monitord demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from monitord.cli._options import SECONDS, root_option
from monitord.cli._output import print_line, progress
from monitord.cli._summary import print_summary
from monitord.errors import ExitCode


@click.command("demo")
@click.option(
    "--seconds", type=SECONDS, default="30", show_default=True, metavar="30", help="Length of the window."
)
@root_option
def command(seconds: float, root: Path) -> int:
    """Show everything on this machine in under a minute, without Slurm.

    Starts the daemon with a real Prometheus, a service under a known load and node_exporter. Measures a
    window, prints its KPIs beside the service's own counts, and stops everything that it started. The
    results are kept.

    \b
    Example:
      monitord demo
    """
    from monitord.demo.tour import Tour, ending_on_sigterm

    name = time.strftime("demo-%Y%m%d-%H%M%S", time.gmtime())
    started = time.monotonic()
    with ending_on_sigterm(), progress() as shown:

        def log(text: str) -> None:
            shown.keep(f"{time.monotonic() - started:5.1f} s  {text}")

        result = Tour(root.absolute(), name, seconds, log, shown.show).run()
    print_summary(result.artifacts)
    print_line(_truth_line(result.truth))
    print_line(f"artifacts: {result.artifacts}")
    return ExitCode.OK


def _truth_line(truth: dict[str, Any]) -> str:
    latencies = [
        f"{stat} {1000 * truth[stat]:.4g} ms"
        for stat in ("mean", "p50", "p95", "p99")
        if truth[stat] is not None
    ]
    return f"what the service itself counted: {truth['rate']:.4g} requests/s; latency {', '.join(latencies)}"
