"""The PromQL of a KPI over one exact window.

Whole-window values come from one instant query at the window's end over a range as long as the
window, to the millisecond: both edges count, nothing from outside does, and counter resets are
accounted for before anything is summed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from monitord.kpis.span import InstantQuery, Query, Span
from monitord.recipes.model import Kpi, quantile_of

GROUPING = ("job", "instance", "client", "service", "node", "gpu")
SCOPES: Mapping[str, tuple[str, ...]] = {
    "session": (),
    "client": ("client",),
    "service": ("client", "service"),
    "node": ("node",),
    "gpu": ("node", "gpu"),
}


def quote(value: str) -> str:
    """Write text as a PromQL string."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def session_matchers(session: str, services: tuple[str, ...] = ("*",)) -> str:
    """Return the matchers that pick a session's series, of jobs that fit one of the patterns."""
    matchers = f"session={quote(session)}"
    if "*" not in services:
        matchers += f",job=~{quote('|'.join(map(_pattern_to_regex, services)))}"
    return matchers


def kpi_queries(kpi: Kpi, services: tuple[str, ...], span: Span) -> dict[str, Query]:
    """Return what must be asked to know a KPI, by the role that each answer plays in it."""
    matchers = session_matchers(span.session, services)
    if kpi.kind == "expr":
        return _expression_queries(kpi, matchers, span)
    if kpi.match:
        matchers += f",{kpi.match}"
    if kpi.kind == "counter":
        return _counter_queries(kpi, matchers, services, span)
    if kpi.kind == "gauge":
        return _gauge_queries(kpi, matchers, span)
    return _observation_queries(kpi, matchers, span)


def up_query(span: Span) -> InstantQuery:
    """Return the query for every scrape of the window, at its true time and with its outcome."""
    return span.at_end(f"up{{{session_matchers(span.session)}}}{span.whole}")


def resets_queries(kpi: Kpi, services: tuple[str, ...], span: Span) -> tuple[InstantQuery, ...]:
    """Return the queries for a KPI's most resets of a counter per target; none without counters."""
    if kpi.kind not in {"counter", "histogram", "summary"}:
        return ()
    matchers = session_matchers(span.session, services) + (f",{kpi.match}" if kpi.match else "")
    metrics = [kpi.metric if kpi.kind == "counter" else f"{kpi.metric}_count"]
    if kpi.kind == "histogram" and span.native:
        metrics.append(kpi.metric)
    by = ", ".join(GROUPING[:-1])
    return tuple(
        span.at_end(f"max by ({by}) (resets({metric}{{{matchers}}}{span.whole}))") for metric in metrics
    )


def _counter_queries(kpi: Kpi, matchers: str, services: tuple[str, ...], span: Span) -> dict[str, Query]:
    counter = f"{kpi.metric}{{{matchers}}}"
    queries: dict[str, Query] = {
        "series": span.at_end(_grouped("count", f"count_over_time({counter}{span.whole})")),
        "increase": span.at_end(_grouped("sum", f"increase({counter}{span.whole})")),
        "uncounted": _uncounted_query(counter, span),
    }
    in_tiles = span.tiles > 1 and not {"min", "max"}.isdisjoint(kpi.stats)
    if in_tiles:
        queries["rates"] = span.over_tiles(_grouped("sum", f"rate({counter}{span.tile})"))
    if kpi.per:
        divisor = _narrowed(kpi.per, session_matchers(span.session, services))
        queries["divisor"] = span.at_end(_grouped("sum", f"increase({divisor}{span.whole})"))
        if in_tiles:
            queries["divisor_rates"] = span.over_tiles(_grouped("sum", f"rate({divisor}{span.tile})"))
    return queries


def _uncounted_query(counter: str, span: Span) -> InstantQuery:
    """Return the query for what counters that were born in the window held when first scraped.

    An increase leaves that out: it is between samples, and there was none before.
    """
    born = f"min_over_time({counter}{span.whole}) unless last_over_time({counter}{span.around_start})"
    return span.at_end(_grouped("sum", born))


def _gauge_queries(kpi: Kpi, matchers: str, span: Span) -> dict[str, Query]:
    samples = f"{kpi.metric}{{{matchers}}}{span.whole}"
    # Sums and counts, not averages: only they merge into the true mean of several series.
    queries: dict[str, Query] = {"count": span.at_end(_grouped("sum", f"count_over_time({samples})"))}
    for stat, role, aggregation in (
        ("mean", "sum", "sum"),
        ("min", "min", "min"),
        ("max", "max", "max"),
    ):
        if stat in kpi.stats:
            queries[role] = span.at_end(_grouped(aggregation, f"{role}_over_time({samples})"))
    if "std" in kpi.stats or any(map(quantile_of, kpi.stats)):
        # quantile_over_time is one of a series, and quantiles of several series cannot be merged.
        queries["samples"] = span.at_end(samples)
    return queries


def _observation_queries(kpi: Kpi, matchers: str, span: Span) -> dict[str, Query]:
    samples = f"{{{matchers}}}{span.whole}"
    queries: dict[str, Query] = {
        "series": span.at_end(_grouped("count", f"count_over_time({kpi.metric}_count{samples})")),
        "count": span.at_end(_grouped("sum", f"increase({kpi.metric}_count{samples})")),
        "uncounted": _uncounted_query(f"{kpi.metric}_count{{{matchers}}}", span),
    }
    if not {"mean", "total"}.isdisjoint(kpi.stats):
        queries["sum"] = span.at_end(_grouped("sum", f"increase({kpi.metric}_sum{samples})"))
    if any(map(quantile_of, kpi.stats)):
        if kpi.kind == "histogram":
            increase = f"increase({kpi.metric}_bucket{samples})"
            queries["buckets"] = span.at_end(_grouped("sum", increase, "le"))
        else:
            selector = f'{kpi.metric}{{{matchers},quantile!=""}}'
            queries["quantiles"] = span.at_end(f"last_over_time({selector}{span.whole})")
    if kpi.kind == "histogram" and span.native:
        queries |= _native_queries(f"{kpi.metric}{{{matchers}}}", span)
    return queries


def _native_queries(histogram: str, span: Span) -> dict[str, Query]:
    """Return the queries for native histograms: each sample is count, sum and buckets together.

    Of those that were born in the window, no function tells what they held when first scraped: it is
    what they held last, less their increase.
    """
    but_old = f"unless last_over_time({histogram}{span.around_start})"
    whole = f"{histogram}{span.whole}"
    return {
        "native_series": span.at_end(_grouped("count", f"count_over_time({whole})")),
        "native": span.at_end(_grouped("sum", f"increase({whole})")),
        "native_born": span.at_end(_grouped("sum", f"last_over_time({whole}) {but_old}")),
        "native_born_increase": span.at_end(_grouped("sum", f"increase({whole}) {but_old}")),
    }


def _expression_queries(kpi: Kpi, matchers: str, span: Span) -> dict[str, Query]:
    return {
        scope: span.at_end(
            (kpi.expr or "")
            .replace("$window", span.whole)
            .replace("$selector", matchers)
            .replace("$by", ", ".join(SCOPES[scope]))
        )
        for scope in ("session", *kpi.by)
    }


def _grouped(aggregation: str, promql: str, *extra: str) -> str:
    return f"{aggregation} by ({', '.join((*GROUPING, *extra))}) ({promql})"


def _narrowed(selector: str, matchers: str) -> str:
    metric, brace, own = selector.partition("{")
    return f"{metric}{{{matchers},{own}" if brace else f"{metric}{{{matchers}}}"


def _pattern_to_regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
