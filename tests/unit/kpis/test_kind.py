"""What all kinds share: their names, and stats that are percentiles."""

from typing import get_args

from monitord.kpis.kinds import KindName, kind_of
from monitord.kpis.percentiles import quantile_of


def test_each_name_gives_the_kind_of_that_name() -> None:
    assert [kind_of(name).name for name in get_args(KindName)] == [*get_args(KindName)]


def test_percentiles() -> None:
    assert quantile_of("p50") == 0.5
    assert quantile_of("p99.9") == 0.999
    assert [quantile_of(stat) for stat in ("p0", "p00.0", "p100", "p", "mean", "p-1")] == [None] * 6
