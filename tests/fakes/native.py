"""Histograms as an exporter serves them in Prometheus's protobuf, the only format with native ones."""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

CONTENT_TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
ZERO_THRESHOLD = 2.0**-128
_HISTOGRAM = 4  # of the enumeration of metric types


def bucket_of(value: float, schema: int) -> int:
    """Return the index of the bucket that holds a positive value: its bounds are base^(i-1) and base^i."""
    return math.ceil(math.log2(value) * 2.0**schema)


def family(name: str, *metrics: bytes) -> bytes:
    """Return a family of histograms, delimited."""
    content = b"".join([_text(1, name), _number(3, _HISTOGRAM), *(_bytes(4, metric) for metric in metrics)])
    return _varint(len(content)) + content


def histogram(
    observations: Sequence[float], labels: Mapping[str, str], schema: int, bounds: Sequence[float] = ()
) -> bytes:
    """Return a native histogram of positive observations; with `bounds`, a classic one beside it."""
    pairs = (_text(1, key) + _text(2, value) for key, value in labels.items())
    content = [
        _number(1, len(observations)),
        _double(2, math.fsum(observations)),
        *(_bytes(3, bucket) for bucket in _classic(observations, bounds)),
        _number(5, _zigzag(schema)),
        _double(6, ZERO_THRESHOLD),
        *_native(observations, schema),
    ]
    return b"".join([*(_bytes(1, pair) for pair in pairs), _bytes(7, b"".join(content))])


def _classic(observations: Sequence[float], bounds: Sequence[float]) -> Iterator[bytes]:
    counts = Counter(bisect_left(bounds, value) for value in observations)
    for index, bound in enumerate([*bounds, math.inf] if bounds else []):
        yield _number(1, sum(counts[i] for i in range(index + 1))) + _double(2, bound)


def _native(observations: Sequence[float], schema: int) -> Iterator[bytes]:
    """Yield a span for each bucket: its distance from the one before and its length of 1, and the counts."""
    counts = Counter(bucket_of(value, schema) for value in observations)
    after, before = 0, 0
    if not counts:
        yield _bytes(12, _number(1, 0) + _number(2, 0))  # without a span it would be no native histogram
    for index in sorted(counts):
        yield _bytes(12, _number(1, _zigzag(index - after)) + _number(2, 1))
        after = index + 1
    for index in sorted(counts):
        yield _number(13, _zigzag(counts[index] - before))
        before = counts[index]


def _varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _zigzag(number: int) -> int:
    return 2 * number if number >= 0 else -2 * number - 1


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())
