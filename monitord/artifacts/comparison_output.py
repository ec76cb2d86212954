"""A comparison as people and programs read it: cells of a table, markdown, JSON, JUnit XML. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitord.artifacts import junit
from monitord.artifacts.changed_series import SeriesComparison
from monitord.artifacts.compared_rows import KEY_COLUMNS, Compared, Run
from monitord.artifacts.decision import Sample
from monitord.artifacts.formats import json_bytes
from monitord.artifacts.junit import Case, slo_cases, slo_text
from monitord.artifacts.ranks import ALPHA, NAME
from monitord.artifacts.series_output import series_json, series_lines

SCHEMA = "monitord/comparison/v1"
COLUMNS = ("KPI", "STAT", "SCOPE", "UNIT", "A", "B", "CHANGE", "P", "P_HOLM", "VERDICT", "NOTE")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two groups of runs, what was compared, and why it may not be comparable (if forced).

    `series` is what changed over every series, if that was asked for.
    """

    before: tuple[Run, ...]
    after: tuple[Run, ...]
    rows: tuple[Compared, ...]
    incomparable: tuple[str, ...] = ()
    series: SeriesComparison | None = None

    @property
    def regressions(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.is_regression)

    @property
    def gated(self) -> tuple[Compared, ...]:
        """The rows that have a limit and were tested."""
        return tuple(row for row in self.rows if row.limit is not None and row.test)

    @property
    def undecided(self) -> tuple[Compared, ...]:
        """The gated rows that are neither within their limit nor shown to be beyond it."""
        return tuple(row for row in self.gated if row.verdict == "undecided")

    @property
    def decides_nothing(self) -> bool:
        """Whether all gated rows are undecided; without any, whether all rows that differ are."""
        if self.gated:
            return len(self.undecided) == len(self.gated)
        return {row.verdict for row in self.rows} - {None, "same"} == {"undecided"}

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
        if comparison.gated:
            lines.append(f"P_HOLM is P, corrected for {_counted(len(comparison.gated), 'gated row')}")
    if any(row.before.has_bounds or row.after.has_bounds for row in comparison.known_rows):
        lines.append("[lo, hi]: the true value is within")
    lines += undecided_lines(comparison)
    runs = (*comparison.before, *comparison.after)
    lines += [f"slo breached: {text}" for run in runs for text in _breaches(run)]
    return [*lines, *(f"not comparable, but forced: {problem}" for problem in comparison.incomparable)]


def undecided_lines(comparison: Comparison) -> list[str]:
    """Return a line for each gated row that is undecided, and one if nothing at all was decided."""
    lines = [
        f"undecided: {row.name} changed by {row.change:+.4g} %, the limit is {row.limit:g} %: {note(row)}"
        for row in comparison.undecided
    ]
    if comparison.decides_nothing:
        rows = "gated row" if comparison.gated else "row"
        lines.append(f"nothing was decided: no {rows} is shown to be better or worse (p <= {ALPHA:g})")
    return lines


def regression_lines(comparison: Comparison) -> list[str]:
    """Return a line for each regression, with the status of its values where that is not `ok`."""
    return [
        f"{row.name} is worse by {abs(row.change or 0):.4g} %, more than {row.limit:g} %"
        + "".join(f"; {remark}" for remark in _remarks(row))
        for row in comparison.regressions
    ]


def cells(row: Compared) -> tuple[str, ...]:
    """Return a row's cells, by `COLUMNS`."""
    place = " ".join(filter(None, (row.key[2], *row.key[3:])))
    change = "" if row.change is None else f"{row.change:+.1f} %"
    repeated = len(row.before.values) + len(row.after.values) > 2
    ps = (row.test.p if row.test else None, row.p_adjusted)
    shown = ["" if p is None or not repeated else f"{p:.3g}" for p in ps]
    values = _shown(row.before), _shown(row.after)
    return (*row.key[:2], place, row.unit, *values, change, *shown, _verdict(row), note(row))


def note(row: Compared) -> str:
    """Return why a row is undecided or counts as the same, and the status of values that are not `ok`."""
    facts = []
    if row.verdict == "undecided":
        facts.append(_why_undecided(row))
    elif row.verdict == "same" and row.limit is not None and row.change:
        facts.append(f"within {row.limit:g} %")
    return "; ".join([*facts, *_remarks(row)])


def _why_undecided(row: Compared) -> str:
    needed = row.repeats_needed
    if needed is not None and min(len(row.before.values), len(row.after.values)) < needed:
        condition = ", if the bounds did not overlap" if row.bounds_overlap else ""
        return f"at best {needed} repeats on each side would decide{condition}"
    return "the bounds overlap" if row.bounds_overlap else "the repeats do not separate A and B"


def _remarks(row: Compared) -> list[str]:
    """Return the status and reason of values that are not simply ok, for each side that has any."""
    found = []
    for side, one in (("A", row.before), ("B", row.after)):
        for remark, runs in Counter(filter(None, one.remarks)).items():
            of_all = f" ({runs} of {len(one.remarks)} runs)" if runs < len(one.remarks) else ""
            found.append(f"{side} is {remark}{of_all}")
    return found


def to_markdown(comparison: Comparison) -> str:
    """Write the comparison for a merge request or a notebook."""
    lines = [f"{line}  " for line in heading(comparison)]
    table = [COLUMNS, tuple("---" for _ in COLUMNS), *map(cells, comparison.known_rows)]
    found = series_lines(comparison.series) if comparison.series else []
    more = ["", *(f"- {line}" for line in found)] if found else []
    return "\n".join([*lines, "", *(_markdown_row(row) for row in table), *more]) + "\n"


def to_json(comparison: Comparison) -> bytes:
    """Write the comparison for programs; a value that is missing is null."""
    return json_bytes(
        {
            "schema": SCHEMA,
            "a": [_run(run) for run in comparison.before],
            "b": [_run(run) for run in comparison.after],
            "test": NAME,
            "incomparable": comparison.incomparable,
            "alpha": ALPHA,
            "gated_rows": len(comparison.gated),
            "regressions": [row.name for row in comparison.regressions],
            "undecided": [row.name for row in comparison.undecided],
            "rows": [_row(row) for row in comparison.rows],
            **({"series": series_json(comparison.series)} if comparison.series else {}),
        }
    )


def to_junit(comparison: Comparison) -> bytes:
    """Write a test case for every row and every SLO condition.

    A regression or a condition that B breached is a failure. A row without a change or gated but undecided,
    and a condition that only A breached, is skipped.
    """
    before = [case for run in comparison.before for case in slo_cases(run.slo, f" in A, {run.folder}")]
    after = [case for run in comparison.after for case in slo_cases(run.slo, f" in B, {run.folder}")]
    excused = [replace(case, outcome="skipped") if case.outcome == "failure" else case for case in before]
    cases = [*map(_case, comparison.known_rows), *excused, *after]
    return junit.to_junit("monitord compare", cases, heading(comparison))


def _case(row: Compared) -> Case:
    kpi, stat, place, unit, old, new, change, p, p_holm, _, remarks = cells(row)
    detail = f"{old or 'no value'} to {new or 'no value'} {unit}{f', {change}' if change else ''}"
    detail += f", p {p} ({NAME})" if p else ""
    detail += f", {p_holm} by Holm" if p_holm else ""
    detail += f"; {remarks}" if remarks else ""
    name = f"{stat} {place}"
    if row.is_regression:
        beyond = f"{kpi}.{stat} is worse by more than {row.limit:g} %: {detail}"
        return Case(kpi, name, "failure", beyond, "regression")
    if row.limit is not None and row.verdict == "undecided":
        return Case(kpi, name, "skipped", f"undecided: {detail}")
    return Case(kpi, name, "skipped" if row.change is None else "passed", detail)


def _breaches(run: Run) -> list[str]:
    return [f"{slo_text(each)} in {run.folder}" for each in run.slo if each["status"] == "breached"]


def _verdict(row: Compared) -> str:
    regression = f"REGRESSION beyond {row.limit:g} %" if row.is_regression else ""
    return regression or row.verdict or ("missing" if row.change is None else "")


def _shown(sample: Sample) -> str:
    if sample.median is None:
        return ""
    spread = f" ({min(sample.values):.4g} to {max(sample.values):.4g})" if len(sample.values) > 1 else ""
    interval = sample.interval
    bounds = f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
    missing = f", {sample.missing} missing" if sample.missing else ""
    return f"{sample.median:.4g}{spread}{bounds}{missing}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _markdown_row(row: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"


def _run(run: Run) -> dict[str, Any]:
    return {
        "folder": run.folder, "window": run.window, "status": run.status, "seconds": run.seconds,
        "scrape_interval_seconds": run.scrape_interval, "slo": run.slo, "targets": run.targets,
        "gpus": run.gpus,
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
        "p_adjusted": row.p_adjusted,
        "better": row.better,
        "verdict": row.verdict,
        "max_regression_percent": row.limit,
        "regression": row.is_regression,
        "bounds_overlap": row.bounds_overlap,
        "repeats_needed": row.repeats_needed,
        "note": note(row),
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "median": sample.median,
        "min": min(sample.values, default=None),
        "max": max(sample.values, default=None),
        "values": sample.values,
        "missing": sample.missing,
        "lo": sample.interval[0] if sample.interval else None,
        "hi": sample.interval[1] if sample.interval else None,
        "bounds": sample.bounds,
        "remarks": sample.remarks,
    }
