"""Raw samples in Prometheus's response, decoded per series but not per sample. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from monitord.errors import PrometheusError


class RawHistogram(msgspec.Struct):
    """A native histogram with its numbers as text; a bucket is (inclusive bounds, low, high, count)."""

    count: str
    sum: str
    buckets: list[tuple[int, str, str, str]] = []


class RawSeries(msgspec.Struct):
    """A series with its samples as undecoded JSON, `[[Unix seconds,"value"],…]`, and its native
    histograms.
    """

    metric: dict[str, str]
    values: msgspec.Raw = msgspec.Raw()
    histograms: list[tuple[float, RawHistogram]] = []


class RawAnswer(msgspec.Struct):
    """The series of one query, and Prometheus's warnings."""

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
    """Return the error for samples in another form than Prometheus's."""
    return PrometheusError(
        f"the response with raw samples is not in the format of Prometheus's API: {reason}"
    )


def read_samples(content: bytes) -> RawAnswer:
    """Decode a successful response of `/api/v1/query` for a range selector.

    Raises PrometheusError when the content has another form.
    """
    try:
        payload: _Payload = _DECODER.decode(content)
    except msgspec.DecodeError as error:
        raise not_the_api(error) from error
    return RawAnswer(payload.data.result, [*payload.warnings, *payload.infos])
