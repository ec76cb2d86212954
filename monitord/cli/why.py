"""`monitord why`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitord.cli._options import output_option, session_option
from monitord.cli._output import print_json, print_line, print_table
from monitord.client.why import why
from monitord.errors import ExitCode
from monitord.session.folder import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command("why")
@session_option
@output_option
@click.argument("what", metavar="FILE|URL")
def command(session_name: str, root: Path, output: str, what: str) -> int:
    """Explain why a target is or is not scraped, step by step, and what to do next.

    FILE is a name in targets/ or a path to it. URL (or HOST:PORT) finds the endpoints at that address,
    in any file. Only the session's files are read: the daemon need not run. Exits with 1 unless every
    endpoint is up.

    \b
    Example:
      monitord why --session bench01 c1.yaml
      monitord why --session bench01 http://mel0042:8000/metrics
      monitord why --session bench01 -o json mel0042:9100
    """
    found = why(open_session(root, session_name), what, time.time())
    if output == "json":
        print_json(
            {
                "session": session_name,
                "asked": found.asked,
                "up": found.up,
                "targets": list(found.targets),
                "next": found.next,
            }
        )
    else:
        for answer in found.targets:
            _print_answer(answer)
        print_line(f"next: {found.next}")
    return ExitCode.OK if found.up else ExitCode.INVALID


def _print_answer(answer: Mapping[str, Any]) -> None:
    rows = []
    for step in answer["steps"]:
        rows.append((step["step"], step["outcome"], _age(step["age_seconds"]), step["detail"]))
        rows += [("", "", "", problem) for problem in step["problems"]]
    print_table(("STEP", "OUTCOME", "AGE", "DETAIL"), rows, title=answer["file"])
    if answer["endpoints"]:
        print_table(
            ("ENDPOINT", "HEALTH", "LAST SCRAPE", "LAST ERROR"),
            [(e["url"], e["health"], _age(e["last_scrape_age_seconds"]), e["last_error"])
             for e in answer["endpoints"]],
        )  # fmt: skip


def _age(seconds: float | None) -> str:
    """Write an age in one unit, as `5.0s` or `3h`; it is negative when another clock runs ahead."""
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if abs(seconds) >= 10 else f"{seconds:.1f}s"
