"""What a client measured itself, as rows of the same summary. Pure."""

from __future__ import annotations

from monitord.collect.summary import KpiRow
from monitord.windows.model import Window


def reported_rows(window: Window) -> list[KpiRow]:
    """Return a row `reported.<name>` for each number in the stop marker's `results:`."""
    return [
        KpiRow(
            run_id=window.id,
            kpi=f"reported.{name}",
            stat="value",
            value=item.value,
            unit=item.unit,
            scope="session",
            client="",
            service="",
            node="",
            gpu="",
            n=None,
            bucket_lo=None,
            bucket_hi=None,
            coverage=None,
            status="ok",
            reason="",
        )
        for name, item in sorted(window.reported.items())
    ]
