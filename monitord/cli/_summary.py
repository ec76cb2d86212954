"""Printing the verdict and the KPIs of a window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monitord.artifacts.layout import MANIFEST, SUMMARY_JSON
from monitord.cli._output import print_line, print_table
from monitord.system.atomic import read_json

COLUMNS = ("KPI", "STAT", "VALUE", "UNIT", "BOUNDS", "COVERAGE", "STATUS")


def print_summary(artifacts: Path) -> None:
    """Print the verdict and the KPIs of the whole session."""
    manifest: Any = read_json(artifacts / MANIFEST)
    summary: Any = read_json(artifacts / SUMMARY_JSON)
    window = manifest["window"]
    covered = f"{len(manifest['targets'])} targets, coverage {_percent(manifest['coverage']['overall'])}"
    print_line(f"window {window['id']}: {manifest['status']}, {window['seconds']:.1f} s, {covered}")
    for reason in manifest["reasons"]:
        print_line(f"  {reason['code']}: {reason['message']}")
    print_table(COLUMNS, [_row(row) for row in summary["rows"] if row["scope"] == "session"])
    for advice in manifest.get("advice") or ():
        print_line(f"  {advice}")


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    low, high = row.get("value_lo"), row.get("value_hi")  # artifacts of earlier versions have none
    if low is None:
        low, high = row["bucket_lo"], row["bucket_hi"]
    bounds = "" if low is None else f"{_number(low)} to {_number(high)}"
    status = f"{row['status']} ({row['reason']})" if row["reason"] else row["status"]
    value, coverage = _number(row["value"]), _percent(row["coverage"])
    return row["kpi"], row["stat"], value, row["unit"], bounds, coverage, status


def _number(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.4g}"


def _percent(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{100 * ratio:.4g} %"
