"""A contract for import-linter: what is not named as opening a door is pure.

A pure module imports no door (files, clock, processes, threads, network, logs, chance), and no module that
opens one. import-linter's own `forbidden` contract knows the doors only: a pure module could import an impure
one beside it. A new pure module needs no entry. An impure one must be named, and a name that is no longer
needed is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from grimp import ImportGraph


class PurityContract(Contract):
    """Options: `packages` that are pure by default, `doors`, and the `impure` modules of those packages."""

    type_name = "purity"

    packages = fields.SetField(subfield=fields.StringField())
    doors = fields.SetField(subfield=fields.StringField())
    impure = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Check every module of the packages by what it imports itself."""
        problems = sorted(self._problems(graph))
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for problem in check.metadata["problems"]:
            output.print_error(f"- {problem}", bold=False)

    def _problems(self, graph: ImportGraph) -> Iterator[str]:
        doors, impure = frozenset(map(str, self.doors)), frozenset(map(str, self.impure))  # type: ignore[call-overload]
        modules = {module for package in map(str, self.packages) for module in _modules_of(graph, package)}  # type: ignore[call-overload]
        for missing in impure - modules:
            yield f"{missing} is named as impure, and is no module of these packages"
        for module in modules:
            opened = graph.find_modules_directly_imported_by(module) & (doors | impure)
            if module in impure and not opened:
                yield f"{module} opens no door; take its name out of the list"
            elif module not in impure and opened:
                yield f"{module} is pure, and imports {', '.join(sorted(opened))}"


def _modules_of(graph: ImportGraph, package: str) -> set[str]:
    if package not in graph.modules:
        raise ValueError(f"there is no package {package}")
    return {package, *graph.find_descendants(package)}
