"""Label matchers mean what they mean in PromQL."""

from __future__ import annotations

import pytest

from monitord.kpis.matchers import parse_matchers
from monitord.kpis.promql import quote

AWKWARD = 'a"b\\c\nd, {e}'
SERIES = [{"job": "a", "x": AWKWARD}, {"job": "a", "y": "1"}, {"job": "b"}, {"job": "two\nlines"}]


@pytest.mark.parametrize(
    ("matchers", "fitting"),
    [
        ("", [0, 1, 2, 3]), ("  ", [0, 1, 2, 3]), ('job="b"', [2]), ('job!="b"', [0, 1, 3]),
        ('job=~"b|c"', [2]), ('job=~"."', [0, 1, 2]), ('job!~"a.*"', [2, 3]), (f"x={quote(AWKWARD)}", [0]),
        ('nothing=""', [0, 1, 2, 3]), ('nothing!=""', []), ('job=~"a" , y="1"', [1]), ('job="a",', [0, 1]),
        ('job=~"two.lines"', [3]), (r'job="two\nlines"', [3]), ('job="."', []), ('y=~"[0-9]+",job!="b"', [1]),
        (r'x=~"a\"b.*"', [0]), (r'job=~"\\w"', [0, 1, 2]),
    ],
)  # fmt: skip
def test_series_that_fit(matchers: str, fitting: list[int]) -> None:
    fits = parse_matchers(matchers)
    assert [number for number, labels in enumerate(SERIES) if fits(labels)] == fitting


@pytest.mark.parametrize(
    "text", ["job", "job=b", 'job="b', 'job=="b"', '="b"', 'a="b" c="d"', ',a="b"', 'job=~"("', 'a-b="c"']
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_matchers(text)
