"""What changed over every series, as people and programs read it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

from monitord.artifacts.changed_series import ChangedSeries, MetricChange, SeriesComparison, SeriesSide
from monitord.artifacts.ranks import ALPHA, NAME
from monitord.artifacts.series_of_run import SeriesKey

LARGEST = 20
"""How many metrics are put into words."""
_NAMED = 10
"""How many metrics of one side alone are named."""


def series_lines(comparison: SeriesComparison) -> list[str]:
    """Return lines that sum up the comparison, and sentences on the metrics that changed most."""
    changed = comparison.changed
    lines = [
        f"every series: {len(comparison.rows):,} are on both sides; A and B are apart in {len(changed):,}",
        *_tests(comparison),
        *_one_sided("A", comparison.only_before),
        *_one_sided("B", comparison.only_after),
    ]
    lines += _ignored(comparison)
    by_metric = comparison.by_metric()
    lines += _sentences(by_metric[:LARGEST], comparison)
    if len(by_metric) > LARGEST:
        lines.append(f"and {len(by_metric) - LARGEST} more metrics: see -o json")
    return lines


def _sentences(changes: Sequence[MetricChange], comparison: SeriesComparison) -> list[str]:
    varying = comparison.varying_labels(each.largest.key for each in changes)
    return [
        _sentence(each, comparison, varying[each.largest.key.job, each.largest.key.metric])
        for each in changes
    ]


def _sentence(change: MetricChange, comparison: SeriesComparison, varying: Set[str]) -> str:
    """Return what changed of a metric, in words."""
    row = change.largest
    old, new = row.before.median, row.after.median
    verb = "rose" if new > old else "fell" if new < old else "moved"
    unit = " per second" if row.key.kind == "rate" else ""
    factor = f" (x{row.ratio:.3g})" if row.ratio is not None else ""
    others = f"; {change.others} more of its series changed" if change.others else ""
    certainty = _certainty(row, comparison)
    return f"{_name(row.key, varying)} {verb} from {old:.4g} to {new:.4g}{unit}{factor}, {certainty}{others}"


def series_json(comparison: SeriesComparison) -> dict[str, Any]:
    """Return the comparison for programs: every series that changed, the largest change first."""
    return {
        "on_both_sides": len(comparison.rows),
        "tested": comparison.tested,
        "false_discovery_rate": ALPHA,
        "only_in_a": comparison.only_before,
        "only_in_b": comparison.only_after,
        "ignored_labels": {job: sorted(labels) for job, labels in sorted(comparison.ignored.items())},
        "largest": _sentences(comparison.by_metric()[:LARGEST], comparison),
        "changed": [_row(row) for row in comparison.changed],
    }


def _tests(comparison: SeriesComparison) -> Iterable[str]:
    if comparison.tested:
        found = sum(row.is_significant for row in comparison.rows)
        yield (
            f"{found:,} of {comparison.tested:,} that vary differ at a false-discovery rate of {ALPHA:g} "
            f"(q by Benjamini-Hochberg, of {NAME})"
        )


def _one_sided(side: str, metrics: Sequence[str]) -> Iterable[str]:
    if metrics:
        more = f" and {len(metrics) - _NAMED} more" if len(metrics) > _NAMED else ""
        yield f"metrics only in {side}: {', '.join(metrics[:_NAMED])}{more}"


def _ignored(comparison: SeriesComparison) -> Iterable[str]:
    jobs: dict[str, list[str]] = {}
    for job, labels in sorted(comparison.ignored.items()):
        jobs.setdefault(", ".join(sorted(labels)), []).append(job)
    for named, of_jobs in jobs.items():
        yield f"left out, as no value of theirs is on both sides: {named} (of {', '.join(of_jobs)})"


def _name(key: SeriesKey, varying: Set[str]) -> str:
    """Return what a series is called, without the labels that all series of its metric have."""
    labels = ",".join(f'{name}="{value}"' for name, value in key.labels if name in varying)
    name = f"{key.metric}{{{labels}}}" if labels else key.metric
    what = f"the mean of {name}" if key.kind == "observed mean" else name
    return f"{key.job}: {what}" if key.job else what


def _certainty(row: ChangedSeries, comparison: SeriesComparison) -> str:
    """Return what the change rests on."""
    first, second = comparison.runs
    if first == second == 1:
        return _of_single_runs(row)
    q = f" (q {row.q:.2g})" if row.q is not None else ""
    if not row.is_apart:
        return f"in most repeats{q}"
    present = len(row.before.values), len(row.after.values)
    both = "both" if first == 2 else f"all {first}"
    every = f"{both} repeats" if first == second else f"every repeat of {first} and {second}"
    if present != comparison.runs:
        every = f"every repeat that has it, {present[0]} of {first} and {present[1]} of {second}"
    return f"in {every}{q}"


def _of_single_runs(row: ChangedSeries) -> str:
    if row.key.kind == "mean":
        return "by more than the standard deviations of its samples"
    ends = row.ratio_bounds
    if ends is None or not ends[1]:
        return "for certain by its bounds"
    return f"by its bounds at {f'least x{ends[0]:.3g}' if row.effect > 0 else f'most x{ends[1]:.3g}'}"


def _row(row: ChangedSeries) -> dict[str, Any]:
    ends = row.ratio_bounds
    return {
        "metric": row.key.metric,
        "number": row.key.kind,
        "job": row.key.job,
        "service": row.key.service,
        "labels": dict(row.key.labels),
        "a": _side(row.before),
        "b": _side(row.after),
        "ratio": row.ratio,
        "ratio_lo": ends[0] if ends else None,
        "ratio_hi": ends[1] if ends else None,
        "effect": row.effect,
        "p": row.p,
        "q": row.q,
    }


def _side(side: SeriesSide) -> dict[str, Any]:
    return {
        "median": side.median, "values": side.values, "lo": side.low, "hi": side.high,
        "missing": side.missing,
    }  # fmt: skip
