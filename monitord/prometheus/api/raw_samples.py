"""Raw samples as Prometheus answers with them, decoded as far as to series. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from monitord.errors import PrometheusError


class RawHistogram(msgspec.Struct):
    """A native histogram, its numbers as text; a bucket is (which bounds belong to it, low, high, count)."""

    count: str
    sum: str
    buckets: list[tuple[int, str, str, str]] = []


class RawSeries(msgspec.Struct):
    """A series and its samples, `[[Unix seconds,"value"],…]` as it was sent; `histograms` are native ones."""

    metric: dict[str, str]
    values: msgspec.Raw = msgspec.Raw()
    histograms: list[tuple[float, RawHistogram]] = []


class RawAnswer(msgspec.Struct):
    """The series of one query, and what Prometheus warned of."""

    series: list[RawSeries]
    warnings: list[str] = []


class _Result(msgspec.Struct, tag_field="resultType", tag="matrix"):
    result: list[RawSeries]


class _Payload(msgspec.Struct):
    data: _Result
    warnings: list[str] = []
    infos: list[str] = []


_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Payload)


def not_the_api(reason: object) -> PrometheusError:
    """Return the error for samples of another shape than Prometheus's."""
    return PrometheusError(f"raw samples were answered with something that is not Prometheus's API: {reason}")


def read_samples(content: bytes) -> RawAnswer:
    """Return what a successful `/api/v1/query` for a range selector was answered with.

    Raises PrometheusError when the content has another shape.
    """
    try:
        payload: _Payload = _DECODER.decode(content)
    except msgspec.DecodeError as error:
        raise not_the_api(error) from error
    return RawAnswer(payload.data.result, [*payload.warnings, *payload.infos])
