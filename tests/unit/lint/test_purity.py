"""The contract by which what is not named as opening a door is pure."""

from __future__ import annotations

import grimp
import pytest

from tests.lint.purity import PurityContract

PURE, IMPURE, SIBLING = "pkg.core.decide", "pkg.core.read", "pkg.core.ask"


def problems(*impure: str, **imports: str) -> list[str]:
    """Check a package of three modules, of which `imports` says what each imports."""
    graph = grimp.ImportGraph()
    for module in ("pkg", "pkg.core", PURE, IMPURE, SIBLING):
        graph.add_module(module)
    for door in ("os", "math"):
        graph.add_module(door, is_squashed=True)
    for importer, imported in imports.items():
        graph.add_import(importer=f"pkg.core.{importer}", imported=imported)
    options = {"packages": ["pkg.core"], "doors": ["os", "time"], "impure": list(impure)}
    check = PurityContract("pure", {}, options).check(graph, verbose=False)
    found: list[str] = check.metadata["problems"]
    assert check.kept is (not found)
    return found


def test_a_pure_module_needs_no_entry_and_an_impure_one_has_one() -> None:
    assert problems(IMPURE, decide="math", read="os") == []


def test_a_module_that_opens_a_door_without_being_named_is_found() -> None:
    assert problems(decide="math", read="os") == [f"{IMPURE} is pure, and imports os"]


def test_so_is_one_that_imports_an_impure_one() -> None:
    assert problems(IMPURE, decide=IMPURE, read="os") == [f"{PURE} is pure, and imports {IMPURE}"]


def test_one_that_asks_an_impure_one_may_be_named() -> None:
    assert problems(IMPURE, SIBLING, ask=IMPURE, read="os") == []


def test_a_name_that_is_no_longer_needed_is_refused() -> None:
    assert problems(IMPURE, read="math") == [f"{IMPURE} opens no door; take its name out of the list"]
    assert problems("pkg.gone") == ["pkg.gone is named as impure, and is no module of these packages"]


def test_a_package_that_does_not_exist_is_an_error() -> None:
    graph = grimp.ImportGraph()
    options = {"packages": ["pkg.core"], "doors": [], "impure": []}
    with pytest.raises(ValueError, match=r"no package pkg\.core"):
        PurityContract("pure", {}, options).check(graph, verbose=False)
