"""The kinds of KPI, one module each. A new kind is a module here, its name, and a case in `kind_of`."""

from __future__ import annotations

from functools import cache
from typing import Literal, assert_never

from monitord.kpis.kind import Kind
from monitord.kpis.kinds.counter import Counter
from monitord.kpis.kinds.expression import Expression
from monitord.kpis.kinds.gauge import Gauge
from monitord.kpis.kinds.histogram import Histogram
from monitord.kpis.kinds.summary import Summary

KindName = Literal["counter", "gauge", "histogram", "summary", "expr"]


@cache
def kind_of(name: KindName) -> Kind:
    """Return the kind that a recipe names."""
    match name:
        case "counter":
            return Counter()
        case "gauge":
            return Gauge()
        case "histogram":
            return Histogram()
        case "summary":
            return Summary()
        case "expr":
            return Expression()
        case _:
            assert_never(name)
