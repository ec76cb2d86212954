"""Whether the last scrapes of a window have landed; what the client itself reported."""

from __future__ import annotations

from monitord.collect.reported import reported_rows
from monitord.collect.request import ExpectedTarget
from monitord.collect.settle import are_settled, settle_query
from monitord.prometheus.api.series import Answer, Series
from monitord.windows.model import Reported, Window

END = 1000.0


def labels(job: str, client: str = "c1") -> dict[str, str]:
    return {"job": job, "instance": "h:1", "client": client, "node": "h"}


def target(job: str, client: str = "c1") -> ExpectedTarget:
    return ExpectedTarget("http://h:1/", labels(job, client), 5.0)


def scraped(**last: float) -> Answer:
    return Answer(tuple(Series(labels(job), ((END + 60, at),)) for job, at in last.items()))


def test_every_target_must_have_been_scraped_after_the_end() -> None:
    both = [target("a"), target("b")]
    assert are_settled(both, scraped(a=END + 1, b=END + 0.06, other=0.0), END)
    assert not are_settled(both, scraped(a=END + 1, b=END), END)
    assert not are_settled(both, scraped(a=END + 1, b=END + 0.04), END)  # its clock may be that much ahead
    assert not are_settled(both, scraped(a=END + 1), END)  # never scraped is not settled
    assert not are_settled([target("a", "c2")], scraped(a=END + 1), END)  # another client's
    assert are_settled([], Answer(()), END)


def test_the_query_is_for_this_session_only() -> None:
    assert settle_query('s"x').startswith("timestamp(up{")
    assert 's\\"x' in settle_query('s"x')


def test_what_the_client_measured_stands_in_the_summary_as_reported() -> None:
    reported = {"rate": Reported(2.5, "requests/s"), "batch": Reported(0.0)}
    rows = reported_rows(Window("r", 0.0, 1.0, reported=reported))
    assert [(row.run_id, row.kpi, row.stat, row.value, row.unit, row.scope, row.status) for row in rows] == [
        ("r", "reported.batch", "value", 0.0, "", "session", "ok"),
        ("r", "reported.rate", "value", 2.5, "requests/s", "session", "ok"),
    ]
    assert (rows[0].n, rows[0].coverage, rows[0].bucket_lo) == (None, None, None)
    assert reported_rows(Window("r", 0.0, 1.0)) == []
