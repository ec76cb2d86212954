"""`monitord compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from monitord.artifacts.layout import MANIFEST, SERIES, SUMMARY_JSON
from monitord.cli._output import print_line, print_lines
from monitord.errors import ExitCode, InvalidInputError

if TYPE_CHECKING:
    from monitord.artifacts.changed_series import SeriesComparison
    from monitord.artifacts.compared_rows import Run
    from monitord.artifacts.comparison_output import Comparison
    from monitord.collect.series_summary import SeriesRows

OUTPUTS = ("table", "json", "markdown", "junit")


def _percents(_context: click.Context, _parameter: click.Parameter, given: Sequence[str]) -> dict[str, float]:
    limits = {}
    for text in given:
        name, _, percent = text.partition("=")
        try:
            limits[name] = float(percent.strip().removesuffix("%"))
        except ValueError:
            raise click.BadParameter(f"{text!r} is not KPI=PERCENT, as in latency.p99=5") from None
        if not name or not 0 <= limits[name] < float("inf"):
            raise click.BadParameter(f"{text!r} is not KPI=PERCENT, with 0 or more percent")
    return limits


def _directions(_context: click.Context, _parameter: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    found = dict(text.partition("=")[::2] for text in given)
    if not all(name and direction in {"lower", "higher"} for name, direction in found.items()):
        raise click.BadParameter("write KPI=lower or KPI=higher, as in throughput=higher")
    return found


@click.command("compare")
@click.argument("before", metavar="A[,A2...]")
@click.argument("after", metavar="B[,B2...]")
@click.option(
    "--max-regression", "limits", multiple=True, callback=_percents, metavar="KPI=PCT",
    help="How much worse a KPI or KPI.STAT may be, in percent; may be repeated.",
)  # fmt: skip
@click.option(
    "--better", "directions", multiple=True, callback=_directions, metavar="KPI=lower|higher",
    help="Whether lower or higher is better, for a KPI whose recipe does not define it.",
)  # fmt: skip
@click.option("--all", "every_series", is_flag=True, help="Also say what changed most, over every series.")
@click.option("--force", is_flag=True, help="Compare the folders even if they were measured differently.")
@click.option(
    "-o", "--output", type=click.Choice(OUTPUTS), default="table", show_default=True, help="Output format."
)
def command(
    before: str,
    after: str,
    limits: dict[str, float],
    directions: dict[str, Literal["lower", "higher"]],
    every_series: bool,
    force: bool,
    output: str,
) -> int:
    """Compare the results of two windows, or of repeats: before (A) and after (B).

    A and B are artifact folders. With repeats, their medians are compared, and the exact Mann-Whitney U
    test decides whether they differ (p at most 0.05). A difference that it does not decide, or that lies
    within the bounds of the values, is undecided; so is any difference of just one run on each side.

    Folders that were not measured in the same way are refused with the reasons (exit code 1). Exits with 4
    when a KPI is worse by more than --max-regression (p corrected by Holm's method for all KPIs that have a
    limit), or when B breached one of its SLO conditions. An undecided KPI is reported, and is no regression.

    With --all, every series that was scraped on both sides is compared as well, with or without a recipe, and
    the metrics that changed most are put into words.

    \b
    Example:
      monitord compare artifacts/run01 artifacts/run02
      monitord compare artifacts/run01 artifacts/run02 --all
      monitord compare old1,old2,old3,old4 new1,new2,new3,new4 --max-regression throughput.mean=2 -o junit
    """
    from monitord.artifacts.compared_rows import compare
    from monitord.artifacts.comparison_output import Comparison, regression_lines, undecided_lines
    from monitord.artifacts.same_setup import incomparable, ungated

    if every_series and output == "junit":
        raise click.UsageError("--all has no JUnit form: use -o table, json or markdown")
    old, new = _runs(before), _runs(after)
    rows = compare(old, new, limits, directions)
    problems = [*incomparable([*old, *new]), *ungated(rows, limits)]
    if problems and not force:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise InvalidInputError(f"not comparable:\n{listed}\nuse --force to compare them anyway")
    series = _compare_series(old, new) if every_series else None
    comparison = Comparison(tuple(old), tuple(new), tuple(rows), tuple(problems), series)
    _print(comparison, output)
    for text in (*regression_lines(comparison), *undecided_lines(comparison)):
        print_line(f"monitord: {text}", err=True)
    for text in comparison.breaches:
        print_line(f"monitord: B breached {text}", err=True)
    return ExitCode.SLO_BREACHED if comparison.regressions or comparison.breaches else ExitCode.OK


def _runs(folders: str) -> list[Run]:
    from monitord.artifacts.ranks import LARGEST_GROUP

    names = [name for name in folders.split(",") if name]
    if not 1 <= len(names) <= LARGEST_GROUP:
        raise InvalidInputError(
            f"{folders!r} names {len(names)} folders; give 1 to {LARGEST_GROUP}, separated by commas"
        )
    if len({Path(name).resolve() for name in names}) < len(names):
        raise InvalidInputError(f"{folders!r} names a folder twice; each run counts once")
    return [_run(Path(name)) for name in names]


def _run(folder: Path) -> Run:
    from monitord.artifacts.compared_rows import run_of
    from monitord.system.atomic import read_json

    manifest, summary = (read_json(folder / name) for name in (MANIFEST, SUMMARY_JSON))
    if not isinstance(manifest, dict) or not isinstance(summary, dict):
        raise InvalidInputError(
            f"{folder} is not a window's artifact folder: it has no {MANIFEST} and {SUMMARY_JSON}"
        )
    try:
        return run_of(str(folder), manifest, summary)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{folder}: its {MANIFEST} or {SUMMARY_JSON} has an unexpected form: {error!r}"
        ) from error


def _compare_series(before: Sequence[Run], after: Sequence[Run]) -> SeriesComparison:
    from monitord.artifacts.changed_series import compare_series

    return compare_series(*([_series(Path(run.folder)) for run in side] for side in (before, after)))


def _series(folder: Path) -> SeriesRows:
    from monitord.artifacts.series_files import read_series

    try:
        return read_series(folder / SERIES)
    except FileNotFoundError:
        raise InvalidInputError(
            f"{folder} has no {SERIES}, which --all compares: an older version of monitord wrote it; "
            "leave out --all, or collect the window again (monitord window recollect)"
        ) from None


def _print(comparison: Comparison, output: str) -> None:
    from monitord.artifacts.comparison_output import COLUMNS, cells, heading, to_json, to_junit, to_markdown
    from monitord.artifacts.series_output import series_lines
    from monitord.cli._output import print_table

    match output:
        case "json":
            print_lines(to_json(comparison).decode())
        case "junit":
            print_lines(to_junit(comparison).decode())
        case "markdown":
            print_lines(to_markdown(comparison))
        case _:
            for line in heading(comparison):
                print_line(line)
            print_table(COLUMNS, [cells(row) for row in comparison.known_rows])
            for line in series_lines(comparison.series) if comparison.series else ():
                print_line(line)
