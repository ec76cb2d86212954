"""What a window's SLO conditions mean for a command: its messages and its exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from monitord.cli._output import say
from monitord.errors import IncompleteDataError, InvalidInputError, SloBreachedError
from monitord.session.folder import Session

slo_option = click.option(
    "--slo", "slo", multiple=True, metavar="CONDITION",
    help="Condition that the window must keep, such as 'latency.p99 < 250 ms'; may be repeated.",
)  # fmt: skip

junit_option = click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write what became of the window and its conditions as JUnit XML.",
)  # fmt: skip


def write_junit(manifest: Mapping[str, Any], file: Path | None) -> None:
    """Write a window's results as JUnit XML, where that was asked for; raises InvalidInputError."""
    from monitord.artifacts.junit import window_junit

    if file is not None:
        try:
            file.write_bytes(window_junit(manifest))
        except OSError as error:
            raise InvalidInputError(f"--junit {file} cannot be written: {error.strerror}") from error


def check_slo(session: Session, slo: Sequence[str]) -> None:
    """Hold conditions against the recipes in force before anything is measured.

    Raises InvalidInputError for one that is none, or that no KPI of the session could decide.
    """
    from monitord.documents.conditions import misfit, parse_condition
    from monitord.recipes.load import load_recipes
    from monitord.recipes.model import measures_of

    measures = measures_of(load_recipes(session.recipes)) if slo else {}
    for text in slo:
        try:
            problem = misfit(parse_condition(text), measures)
        except ValueError as error:
            problem = str(error)
        if problem:
            raise InvalidInputError(f"--slo: {problem}")


def tell_slo(manifest: Mapping[str, Any]) -> None:
    """Say on standard error what became of each condition."""
    from monitord.artifacts.junit import slo_text

    for result in manifest.get("slo", []):
        say(f"slo {result['status']}: {slo_text(result)}", err=True)


def refuse_breach(manifest: Mapping[str, Any]) -> None:
    """Raise SloBreachedError when a condition was breached."""
    if breached := _those(manifest, "breached"):
        raise SloBreachedError(f"the window breached {breached}")


def refuse_undecided(manifest: Mapping[str, Any]) -> None:
    """Raise IncompleteDataError when a condition is unknown: none passes for want of data."""
    if unknown := _those(manifest, "unknown"):
        raise IncompleteDataError(f"not decided: {unknown}")


def _those(manifest: Mapping[str, Any], status: str) -> str:
    from monitord.artifacts.junit import slo_text

    return "; ".join(slo_text(result) for result in manifest.get("slo", []) if result["status"] == status)
