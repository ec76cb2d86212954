"""`monitord why`."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import click

from monitord.cli._options import output_option, session_option
from monitord.cli._output import print_json, print_table, say
from monitord.client.why import Evidence
from monitord.errors import ExitCode, InvalidInputError
from monitord.session.folder import Session, open_session
from monitord.targets.why import explain


@click.command("why")
@session_option
@output_option
@click.argument("what", metavar="FILE|URL")
def command(session_name: str, root: Path, output: str, what: str) -> int:
    """Explain what became of a target, step by step, and what to do next.

    FILE is a name in targets/ or a path to it; URL (or HOST:PORT) finds the endpoints there, in
    whichever file they are. Reads the session's files alone: the daemon need not run. Exits with 1
    unless everything is up.

    \b
    Example:
      monitord why --session bench01 c1.yaml
      monitord why --session bench01 http://mel0042:8000/metrics
      monitord why --session bench01 -o json mel0042:9100
    """
    session, now = open_session(root, session_name), time.time()
    answers = [explain(facts, now) for facts in _facts(session, what, now)]
    up = all(answer["up"] for answer in answers)
    following = next((f"{a['file']}: {a['next']}" for a in answers if not a["up"]), answers[0]["next"])
    if output == "json":
        print_json({"session": session.name, "asked": what, "up": up, "targets": answers, "next": following})
    else:
        for answer in answers:
            _print_answer(answer)
        say(f"next: {following}")
    return ExitCode.OK if up else ExitCode.INVALID


def _facts(session: Session, what: str, now: float) -> Any:
    evidence = Evidence(session, now)
    if "://" not in what and not re.search(r":[0-9]+$", what):
        return [evidence.of_file(_name_of(session, what))]
    try:
        found = evidence.of_address(what)
    except ValueError as error:
        raise InvalidInputError(f"{error}; give a file in targets/, a URL or HOST:PORT") from None
    if not found:
        raise InvalidInputError(
            f"no file in {session.targets} names {what}; register it, as with: "
            f"monitord service-register --session {session.name} --client-id C --name NAME --endpoint URL"
        )
    return found


def _name_of(session: Session, what: str) -> str:
    path = Path(what)
    if len(path.parts) > 1 and path.parent.resolve() != session.targets.resolve():
        raise InvalidInputError(
            f"{what} is not in {session.targets}, where files are read; copy it there: "
            f"cp {what} {session.targets}/"
        )
    return path.name


def _print_answer(answer: dict[str, Any]) -> None:
    rows = []
    for step in answer["steps"]:
        rows.append((step["step"], step["outcome"], _age(step["age_seconds"]), step["detail"]))
        rows += [("", "", "", problem) for problem in step["problems"]]
    print_table(("STEP", "OUTCOME", "AGE", "DETAIL"), rows, title=answer["file"])
    if answer["endpoints"]:
        print_table(
            ("ENDPOINT", "HEALTH", "SCRAPE TOLD", "LAST ERROR"),
            [(e["url"], e["health"], _age(e["last_scrape_age_seconds"]), e["last_error"])
             for e in answer["endpoints"]],
        )  # fmt: skip


def _age(seconds: float | None) -> str:
    """Write an age as people say it; a clock that runs ahead gives one below zero."""
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s" if abs(seconds) >= 10 else f"{seconds:.1f}s"
