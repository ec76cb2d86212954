"""docs/statistics.md has the tables that the simulation prints."""

from __future__ import annotations

import pytest

from tests.statistics_table import PAGE, example, tables, with_tables

RUN = "run: python -m tests.statistics_table"


def test_the_example_is_what_is_simulated() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert example() in page, RUN


def test_a_table_that_differs_is_replaced() -> None:
    page = PAGE.read_text(encoding="utf-8")
    changed = with_tables(page, {"rates": "| other |\n"})
    assert "| other |" in changed
    assert page.count("<!-- ") == changed.count("<!-- ")


@pytest.mark.soak
def test_all_tables_are_what_is_simulated() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, tables()) == page, RUN
