"""Which Prometheus this is: its version, and what that changes (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from monitord.errors import PrometheusError

if TYPE_CHECKING:
    from pathlib import Path


class Version(NamedTuple):
    """A release number; what a distribution appends to it does not count."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, slots=True)
class Build:
    """What one Prometheus binary is: its version, and its flags as `--help` prints them."""

    binary: Path
    version: Version
    help_text: str


OLDEST_SUPPORTED = Version(2, 42, 0)
FIRST_UNSUPPORTED = Version(4, 0, 0)
NATIVE_BY_SETTING = Version(3, 8, 0)
"""From here on native histograms are scraped by a setting; before, by a feature that is switched on."""
CLASSIC_BESIDE_NATIVE = Version(2, 45, 0)
"""From here on the classic form of a histogram can be kept where it has a native one too."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)([-~](?:alpha|beta|pre|rc)[\w.]*)?", re.ASCII)
_PRINTED = re.compile(rf"\bprometheus, version v?({_VERSION.pattern})", re.ASCII)


def parse_version(text: str, binary: Path) -> Version:
    """Return the version that `prometheus --version` printed.

    Raises PrometheusError when this is not Prometheus, or a version that monitord does not know: an
    older or newer one, or a pre-release, which may have a release's flags or not.
    """
    match = _PRINTED.search(text)
    if match is None:
        first = next(iter(text.strip().splitlines()), "nothing")
        raise PrometheusError(
            f"{binary} is not Prometheus: --version printed {first[:200]!r}; "
            "set MONITORD_PROMETHEUS to the right binary"
        )
    release, *numbers, pre_release = match.groups()
    version = Version(*map(int, numbers))
    if pre_release or not OLDEST_SUPPORTED <= version < FIRST_UNSUPPORTED:
        raise PrometheusError(
            f"{binary} is Prometheus {release}; a release from {OLDEST_SUPPORTED} on and below "
            f"{FIRST_UNSUPPORTED} is needed: set MONITORD_PROMETHEUS to one"
        )
    return version


def has_left_open_ranges(version: str) -> bool:
    """Say whether a server of this version leaves a sample at the very start of a range out of it.

    Prometheus does so since 3.0; one that does not say what it is is taken for an older one.
    """
    match = _VERSION.match(version)
    return match is not None and int(match[1]) >= 3


def has_old_extrapolation(version: str) -> bool:
    """Say whether a server of this version extrapolates to a counter's zero also past half an interval.

    Prometheus did so before 2.52, where a series was born in the range.
    """
    match = _VERSION.match(version)
    return match is not None and (int(match[1]), int(match[2])) < (2, 52)


def native_warning(version: Version) -> str | None:
    """Return what is lost by scraping native histograms with this version; None for nothing."""
    if version >= CLASSIC_BESIDE_NATIVE:
        return None
    return (
        f"Prometheus {version} keeps only the native form of histograms that have both, so that what reads "
        f"their _bucket, _sum and _count series finds nothing; {CLASSIC_BESIDE_NATIVE} and later keep both"
    )
