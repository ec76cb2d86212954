"""Results as JUnit XML, which every CI system shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET

Outcome = Literal["passed", "failure", "error", "skipped"]
_OF_SLO: Mapping[str, Outcome] = {"met": "passed", "breached": "failure"}


@dataclass(frozen=True, slots=True)
class Case:
    """A test case; `detail` is its output when it passed, else its message."""

    group: str
    name: str
    outcome: Outcome
    detail: str
    kind: str = ""


def to_junit(suite: str, cases: Sequence[Case], output: Iterable[str]) -> bytes:
    """Write a suite of cases; `output` are lines about all of them."""
    outcomes = [case.outcome for case in cases]
    root = ET.Element(
        "testsuite", name=suite, tests=str(len(cases)), errors=str(outcomes.count("error")),
        failures=str(outcomes.count("failure")), skipped=str(outcomes.count("skipped")),
    )  # fmt: skip
    for case in cases:
        element = ET.SubElement(root, "testcase", classname=_clean(case.group), name=_clean(case.name))
        if case.outcome == "passed":
            ET.SubElement(element, "system-out").text = _clean(case.detail)
        else:
            kind = {"type": case.kind} if case.kind else {}
            ET.SubElement(element, case.outcome, {"message": _clean(case.detail), **kind})
    ET.SubElement(root, "system-out").text = _clean("\n".join(output))
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def slo_cases(results: Iterable[Mapping[str, Any]], where: str = "") -> list[Case]:
    """Return a case for each condition of a manifest: failed when breached, skipped when not decided."""
    return [
        Case("slo", f"{result['condition']}{where}", _OF_SLO.get(result["status"], "skipped"),
             f"{result['status']}: {slo_text(result)}", "slo")
        for result in results
    ]  # fmt: skip


def window_junit(manifest: Mapping[str, Any]) -> bytes:
    """Write a window's results: whether its data is complete, and its conditions."""
    window, status = manifest["window"], manifest["status"]
    reasons = "; ".join(reason["message"] for reason in manifest["reasons"])
    detail = f"the window is {status}{f': {reasons}' if reasons else ''}"
    whole = Case("window", "data is complete", "passed" if status == "complete" else "error", detail)
    output = (f"window {window['id']}, {window['from']} to {window['to']}",)
    return to_junit("monitord window", [whole, *slo_cases(manifest.get("slo", []))], output)


def slo_text(result: Mapping[str, Any]) -> str:
    """Return the result of a condition as text."""
    value = result["value"]
    number = f"{value:.6g}" if isinstance(value, float | int) else value
    facts = [f"{number} {result['unit']}".strip() if value is not None else "", result["reason"]]
    return f"{result['condition']} ({'; '.join(fact for fact in facts if fact)})"


def _clean(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(character for character in text if character.isprintable() or character == "\n")
