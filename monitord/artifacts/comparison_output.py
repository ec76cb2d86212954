"""A comparison as people and programs read it: cells of a table, markdown, JSON, JUnit XML. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitord.artifacts import junit
from monitord.artifacts.compared_rows import KEY_COLUMNS, Compared, Run, Sample
from monitord.artifacts.formats import json_bytes
from monitord.artifacts.junit import Case, slo_cases, slo_text
from monitord.artifacts.ranks import NAME

SCHEMA = "monitord/comparison/v1"
COLUMNS = ("KPI", "STAT", "SCOPE", "UNIT", "A", "B", "CHANGE", "P", "VERDICT")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two groups of runs, what was compared, and why it may not be comparable (if forced)."""

    before: tuple[Run, ...]
    after: tuple[Run, ...]
    rows: tuple[Compared, ...]
    incomparable: tuple[str, ...] = ()

    @property
    def regressions(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.is_regression)

    @property
    def breaches(self) -> tuple[str, ...]:
        """What B breached of its SLO conditions, with the folder."""
        return tuple(text for run in self.after for text in _breaches(run))

    @property
    def known_rows(self) -> tuple[Compared, ...]:
        """The rows that have a value on either side."""
        return tuple(row for row in self.rows if row.before.values or row.after.values)


def heading(comparison: Comparison) -> list[str]:
    """Return lines that name A and B, explain the numbers, and list why they may not be comparable."""
    lines = [
        f"A: {', '.join(run.folder for run in comparison.before)}",
        f"B: {', '.join(run.folder for run in comparison.after)}",
    ]
    if len(comparison.before) > 1 or len(comparison.after) > 1:
        lines.append(f"medians (lowest to highest) of the runs; P by {NAME}")
    runs = (*comparison.before, *comparison.after)
    lines += [f"slo breached: {text}" for run in runs for text in _breaches(run)]
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
    table = [COLUMNS, tuple("---" for _ in COLUMNS), *map(cells, comparison.known_rows)]
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
    """Write a test case for every row and every SLO condition.

    A regression or a condition that B breached is a failure. A row without a change, and a condition that
    only A breached, is skipped.
    """
    before = [case for run in comparison.before for case in slo_cases(run.slo, f" in A, {run.folder}")]
    after = [case for run in comparison.after for case in slo_cases(run.slo, f" in B, {run.folder}")]
    excused = [replace(case, outcome="skipped") if case.outcome == "failure" else case for case in before]
    cases = [*map(_case, comparison.known_rows), *excused, *after]
    return junit.to_junit("monitord compare", cases, heading(comparison))


def _case(row: Compared) -> Case:
    kpi, stat, place, unit, old, new, change, p, _ = cells(row)
    detail = f"{old or 'no value'} to {new or 'no value'} {unit}{f', {change}' if change else ''}"
    detail += f", p {p} ({NAME})" if p else ""
    if row.is_regression:
        beyond = f"{kpi}.{stat} is worse by more than {row.limit:g} %: {detail}"
        return Case(kpi, f"{stat} {place}", "failure", beyond, "regression")
    return Case(kpi, f"{stat} {place}", "skipped" if row.change is None else "passed", detail)


def _breaches(run: Run) -> list[str]:
    return [f"{slo_text(each)} in {run.folder}" for each in run.slo if each["status"] == "breached"]


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


def _run(run: Run) -> dict[str, Any]:
    return {
        "folder": run.folder, "window": run.window, "status": run.status, "seconds": run.seconds,
        "scrape_interval_seconds": run.scrape_interval, "slo": run.slo,
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
