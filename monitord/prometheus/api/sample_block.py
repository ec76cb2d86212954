"""Raw samples in columns: the series of an answer one after another, decoded all at once. Pure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitord.prometheus.api.raw_samples import RawHistogram, RawSeries, not_the_api

Labels = Mapping[str, str]
Milliseconds = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_BRACKETS = b'[]"'


@dataclass(frozen=True, slots=True)
class HistogramSeries:
    """A series of native histograms: its labels, and its samples with their times (Unix milliseconds)."""

    labels: Labels
    times: Milliseconds
    samples: Sequence[RawHistogram]


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Series and their samples.

    Series i, with `labels[i]`, has the samples from `ends[i - 1]` (0 for the first) up to `ends[i]` of
    `times` (Unix milliseconds) and `values`, oldest first.
    """

    labels: Sequence[Labels]
    ends: npt.NDArray[np.intp]
    times: Milliseconds
    values: Floats
    histograms: Sequence[HistogramSeries] = ()


def to_block(series: Sequence[RawSeries]) -> SampleBlock:
    """Decode the samples of an answer; raises PrometheusError when they have another form."""
    texts = [bytes(each.values) for each in series if each.values]
    labels = [each.metric for each in series if each.values]
    if not all(text.startswith(b"[[") and text.endswith(b"]]") for text in texts):
        raise not_the_api("its samples are no list")
    ends = np.cumsum([text.count(b"],[") + 1 for text in texts], dtype=np.intp)
    numbers = _numbers(b",".join(texts), 2 * int(ends[-1]) if texts else 0)
    times = np.rint(numbers[0::2] * 1000.0).astype(np.int64)
    native = [_histograms(each) for each in series if each.histograms]
    return SampleBlock(labels, ends, times, np.ascontiguousarray(numbers[1::2]), native)


def _numbers(text: bytes, expected: int) -> Floats:
    """Return the numbers of Prometheus's JSON, which is CSV but for brackets and quotation marks."""
    if not expected:
        return np.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # numpy's word for text that is no number
        try:
            numbers = np.fromstring(text.translate(None, _BRACKETS).decode("ascii"), sep=",")
        except (DeprecationWarning, ValueError) as error:
            raise not_the_api(error) from None
    if len(numbers) != expected:
        raise not_the_api("a sample is missing")
    return numbers


def _histograms(series: RawSeries) -> HistogramSeries:
    times = np.rint(np.array([time for time, _ in series.histograms]) * 1000.0).astype(np.int64)
    return HistogramSeries(series.metric, times, [histogram for _, histogram in series.histograms])
