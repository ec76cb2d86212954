"""`monitord status`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from monitord.cli._options import output_option, session_option
from monitord.cli._output import print_json, print_line, print_table
from monitord.client.status import SessionStatus, describe_problem, read_status
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.command("status")
@session_option
@output_option
def command(session_name: str, root: Path, output: str) -> int:
    """Show the daemon, its Prometheus, the targets and the windows of a session.

    \b
    Example:
      monitord status --session bench01
      monitord status --session bench01 -o json | jq -r .prometheus.url
    """
    seen = read_status(open_session(root, session_name), time.time())
    if output == "json":
        print_json(seen.as_json())
        return ExitCode.OK
    _print_daemon(seen)
    if seen.targets:
        print_table(("FILE", "STATE", "ENDPOINTS", "REASON"), [_target_row(item) for item in seen.targets])
    if seen.windows:
        rows = [(w["id"], w["state"], w["from"] or "", w["to"] or "", w["artifacts"] or w["reason"] or "")
                for w in seen.windows]  # fmt: skip
        print_table(("WINDOW", "STATE", "FROM", "TO", "ARTIFACTS OR REASON"), rows)
    return ExitCode.OK


def _print_daemon(seen: SessionStatus) -> None:
    daemon, prometheus = seen.daemon, seen.prometheus or {}
    where = (
        f" on {daemon['host']}, pid {daemon['pid']}, since {daemon['started_at']}"
        if daemon["running"]
        else ""
    )
    print_line(f"session     {seen.session}  {seen.folder}")
    print_line(f"daemon      {daemon['phase']}{where}")
    if daemon.get("silent_since"):
        print_line(f"silent      since {daemon['silent_since']}: {_why_silent(daemon)}")
    if prometheus:
        print_line(f"prometheus  {', '.join(_prometheus_facts(prometheus))}")
    for warning in prometheus.get("warnings") or ():
        print_line(f"warning     {warning}")
    _print_jobs(seen.jobs)
    if daemon.get("restart_count"):
        print_line(f"restarts    {daemon['restart_count']}, as counted by Slurm")
    if seen.time_left_seconds is not None and daemon["running"]:
        print_line(f"time left   {seen.time_left_seconds / 60:.0f} min of the allocation")
    if daemon.get("last_error"):
        print_line(f"last error  {daemon['last_error']}")


def _why_silent(daemon: Mapping[str, Any]) -> str:
    if daemon["running"]:
        return "the daemon runs but cannot publish its status: the session folder hangs, or its disk is full"
    if daemon["phase"] == "dead":
        return "the daemon ended unexpectedly"
    return f"the daemon on {daemon['host']} ended unexpectedly, or the session folder hangs on that host"


def _print_jobs(jobs: Sequence[Mapping[str, Any]]) -> None:
    if jobs:
        from monitord.client.jobs import describe_json

        for job in jobs:
            print_line(f"job         {describe_json(job)}")


def _prometheus_facts(prometheus: Mapping[str, Any]) -> list[str]:
    facts = [f"{prometheus.get('state', 'unknown')}  {prometheus.get('url') or ''}".strip()]
    if prometheus.get("version"):
        facts.append(f"version {prometheus['version']}")
    if (series := prometheus.get("series")) is not None:
        facts.append(f"{series:,} series")
    if (memory := prometheus.get("memory") or {}).get("pressure") == "high":
        used, limit = (memory[name] / 2**20 for name in ("resident_bytes", "limit_bytes"))
        facts.append(f"memory high: {used:,.0f} of {limit:,.0f} MiB")
    if outage := prometheus.get("outage"):
        facts.append(f"no data since {outage['from']} ({outage['reason']})")
    if asides := (prometheus.get("data") or {}).get("set_aside"):
        facts.append(f"refused data kept: {len(asides)}")
    return facts


def _target_row(item: Mapping[str, Any]) -> tuple[str, str, str, str]:
    healths = Counter(endpoint["health"] for endpoint in item["endpoints"])
    endpoints = ", ".join(f"{count} {health}" for health, count in sorted(healths.items())) or "none"
    problems = [describe_problem(error) for error in item["errors"]]
    failures = [f"{e['url']}: {e['last_error']}" for e in item["endpoints"] if e["last_error"]]
    reasons = [text for text in (*problems, item["reason"], *failures) if text]
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return (
        item["file"],
        item["state"],
        endpoints,
        (reasons[0] if reasons else "") + more,
    )
