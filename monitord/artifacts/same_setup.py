"""Whether runs measured the same thing, and whether limits apply to any of their values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from monitord.artifacts.compared_rows import Compared, Run, names_of

# A window may last as long as its work takes. If two differ by more than this, the work was not the same.
LONGEST_TO_SHORTEST = 2.0
# Keys that describe a KPI and do not change its numbers.
_DESCRIPTIVE_KEYS = frozenset(("help", "better"))


def incomparable(runs: Sequence[Run]) -> list[str]:
    """Return every reason why these runs are not comparable."""
    found = [
        f"{run.folder} is {run.status}: {'; '.join(run.reasons)}" for run in runs if run.status != "complete"
    ]
    first = runs[0]
    for run in runs[1:]:
        found += [*_other_intervals(first, run), *_other_counts(first, run)]
        found += _other_definitions(first, run)
    shortest, longest = (pick(runs, key=lambda run: run.seconds) for pick in (min, max))
    if longest.seconds > LONGEST_TO_SHORTEST * shortest.seconds:
        found.append(
            f"the windows are {shortest.seconds:g} s long in {shortest.folder}"
            f" and {longest.seconds:g} s in {longest.folder}"
        )
    return found


def ungated(rows: Iterable[Compared], limits: Mapping[str, float]) -> list[str]:
    """Return the limits that cannot be checked: unknown KPI, a missing value, or no known direction."""
    found, session = [], [row for row in rows if row.key[2] == "session"]
    for name in limits:
        meant = [row for row in session if name in names_of(row.key)]
        if not meant:
            found.append(f"there is no KPI {name} in the summaries")
        elif not any(row.better for row in meant):
            found.append(f"no recipe says whether lower or higher {name} is better; use --better")
        elif any(row.better and row.change is None for row in meant):
            found.append(f"{name} has no value on one side")
    return found


def _other_intervals(first: Run, run: Run) -> list[str]:
    if run.scrape_interval != first.scrape_interval:
        ours, theirs = _seconds(first.scrape_interval), _seconds(run.scrape_interval)
        return [f"the scrape interval is {ours} in {first.folder} and {theirs} in {run.folder}"]
    found = []
    for job, intervals in first.intervals.items():
        others = run.intervals.get(job, intervals)
        if others != intervals:
            ours, theirs = _each(intervals), _each(others)
            found.append(
                f"{job} is scraped every {ours} in {first.folder} and every {theirs} in {run.folder}"
            )
    return found


def _other_counts(first: Run, run: Run) -> list[str]:
    """Return differing numbers of targets and GPUs; an old manifest does not list its targets."""
    counts = [("GPUs", first.gpus, run.gpus)]
    if first.targets is not None and run.targets is not None:
        counts.insert(0, ("targets", first.targets, run.targets))
    return [
        f"the number of {what} is {number} in {first.folder} and {other} in {run.folder}"
        for what, number, other in counts
        if number != other
    ]


def _other_definitions(first: Run, run: Run) -> list[str]:
    found = []
    for name, kpi in first.kpis.items():
        other = run.kpis.get(name, kpi)
        differing = [
            key
            for key in sorted((kpi.keys() | other.keys()) - _DESCRIPTIVE_KEYS)
            if kpi.get(key) != other.get(key)
        ]
        if differing:
            found.append(
                f"{name} is defined differently in {run.folder} and {first.folder}: {', '.join(differing)}"
            )
    reported = [key for key in first.units if key[0] not in first.kpis and key in run.units]
    return found + [
        f"{key[0]} is in {first.units[key] or 'no unit'} in {first.folder}"
        f" and in {run.units[key] or 'no unit'} in {run.folder}"
        for key in reported
        if first.units[key] != run.units[key]
    ]


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g} s"


def _each(intervals: Iterable[float]) -> str:
    return " or ".join(map(_seconds, sorted(intervals)))
