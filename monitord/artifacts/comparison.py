"""A comparison as people and programs read it: cells of a table, markdown, JSON, JUnit XML. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from monitord.artifacts.compare import KEY_COLUMNS, Compared, Run, Sample
from monitord.artifacts.formats import json_bytes
from monitord.artifacts.ranks import NAME

SCHEMA = "monitord/comparison/v1"
COLUMNS = ("KPI", "STAT", "SCOPE", "UNIT", "A", "B", "CHANGE", "P", "VERDICT")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two groups of runs, what was compared, and for what it may not be comparable (as was forced)."""

    before: tuple[Run, ...]
    after: tuple[Run, ...]
    rows: tuple[Compared, ...]
    incomparable: tuple[str, ...] = ()

    @property
    def regressions(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.is_regression)

    @property
    def told(self) -> tuple[Compared, ...]:
        """The rows that have a value on either side."""
        return tuple(row for row in self.rows if row.before.values or row.after.values)


def heading(comparison: Comparison) -> list[str]:
    """Say what A and B are, what the numbers are, and what stands against comparing them."""
    lines = [
        f"A: {', '.join(run.folder for run in comparison.before)}",
        f"B: {', '.join(run.folder for run in comparison.after)}",
    ]
    if len(comparison.before) > 1 or len(comparison.after) > 1:
        lines.append(f"medians (lowest to highest) of the runs; P by {NAME}")
    return [*lines, *(f"not comparable, but forced: {problem}" for problem in comparison.incomparable)]


def cells(row: Compared) -> tuple[str, ...]:
    """Return a row's cells, by `COLUMNS`."""
    place = " ".join(filter(None, (row.key[2], *row.key[3:])))
    change = "" if row.change is None else f"{row.change:+.1f} %"
    repeated = row.test is not None and len(row.before.values) + len(row.after.values) > 2
    p = f"{row.test.p:.3g}" if repeated and row.test is not None else ""
    values = _shown(row.before), _shown(row.after)
    return (*row.key[:2], place, row.unit, *values, change, p, _verdict(row))


def to_markdown(comparison: Comparison) -> str:
    """Write the comparison for a merge request or a notebook."""
    lines = [f"{line}  " for line in heading(comparison)]
    table = [COLUMNS, tuple("---" for _ in COLUMNS), *map(cells, comparison.told)]
    return "\n".join([*lines, "", *(_markdown_row(row) for row in table)]) + "\n"


def to_json(comparison: Comparison) -> bytes:
    """Write the comparison for programs; a value that is missing is null."""
    return json_bytes(
        {
            "schema": SCHEMA,
            "a": [_run(run) for run in comparison.before],
            "b": [_run(run) for run in comparison.after],
            "test": NAME,
            "incomparable": comparison.incomparable,
            "regressions": [".".join(row.key[:2]) for row in comparison.regressions],
            "rows": [_row(row) for row in comparison.rows],
        }
    )


def to_junit(comparison: Comparison) -> bytes:
    """Write a test case for every row: failed when it is a regression, skipped when it cannot be told."""
    cases = comparison.told
    skipped = [row for row in cases if row.change is None]
    suite = ET.Element(
        "testsuite", name="monitord compare", tests=str(len(cases)), errors="0",
        failures=str(len(comparison.regressions)), skipped=str(len(skipped)),
    )  # fmt: skip
    for row in cases:
        kpi, stat, place, unit, old, new, change, p, _ = cells(row)
        case = ET.SubElement(suite, "testcase", classname=kpi, name=_clean(f"{stat} {place}"))
        told = f"{old or 'no value'} to {new or 'no value'} {unit}{f', {change}' if change else ''}"
        told += f", p {p} ({NAME})" if p else ""
        if row.is_regression:
            beyond = f"{kpi}.{stat} is worse by more than {row.limit:g} %: {told}"
            ET.SubElement(case, "failure", message=_clean(beyond), type="regression")
        elif row.change is None:
            ET.SubElement(case, "skipped", message=_clean(told))
        else:
            ET.SubElement(case, "system-out").text = _clean(told)
    ET.SubElement(suite, "system-out").text = _clean("\n".join(heading(comparison)))
    text: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _verdict(row: Compared) -> str:
    regression = f"REGRESSION beyond {row.limit:g} %" if row.is_regression else ""
    return regression or row.verdict or ("missing" if row.change is None else "")


def _shown(sample: Sample) -> str:
    if sample.median is None:
        return ""
    spread = f" ({min(sample.values):.4g} to {max(sample.values):.4g})" if len(sample.values) > 1 else ""
    missing = f", {sample.missing} missing" if sample.missing else ""
    return f"{sample.median:.4g}{spread}{missing}"


def _markdown_row(row: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"


def _clean(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(character for character in text if character.isprintable() or character == "\n")


def _run(run: Run) -> dict[str, Any]:
    return {
        "folder": run.folder, "window": run.window, "status": run.status, "seconds": run.seconds,
        "scrape_interval_seconds": run.scrape_interval,
    }  # fmt: skip


def _row(row: Compared) -> dict[str, Any]:
    return {
        **dict(zip(KEY_COLUMNS, row.key, strict=True)),
        "unit": row.unit,
        "a": _sample(row.before),
        "b": _sample(row.after),
        "change_percent": row.change,
        "u": row.test.u if row.test else None,
        "p": row.test.p if row.test else None,
        "least_p": row.test.least_p if row.test else None,
        "better": row.better,
        "verdict": row.verdict,
        "max_regression_percent": row.limit,
        "regression": row.is_regression,
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "median": sample.median,
        "min": min(sample.values, default=None),
        "max": max(sample.values, default=None),
        "values": sample.values,
        "missing": sample.missing,
    }
