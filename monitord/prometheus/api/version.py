"""The version of a Prometheus, and what depends on it (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from monitord.errors import PrometheusError

if TYPE_CHECKING:
    from pathlib import Path


class Version(NamedTuple):
    """A release number, without a distribution's suffix."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, slots=True)
class Build:
    """A Prometheus binary: its version, and the output of `--help`."""

    binary: Path
    version: Version
    help_text: str


OLDEST_SUPPORTED = Version(2, 42, 0)
FIRST_UNSUPPORTED = Version(4, 0, 0)
NATIVE_BY_SETTING = Version(3, 8, 0)
"""From this version on a setting enables native histograms; before, a feature flag does."""
CLASSIC_BESIDE_NATIVE = Version(2, 45, 0)
"""From this version on the classic form of a histogram can be kept beside the native one."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)([-~](?:alpha|beta|pre|rc)[\w.]*)?", re.ASCII)
_PRINTED = re.compile(rf"\bprometheus, version v?({_VERSION.pattern})", re.ASCII)


def parse_version(text: str, binary: Path) -> Version:
    """Parse the output of `prometheus --version`.

    Raises PrometheusError when this is not Prometheus, or not a supported version: too old, too new, or a
    pre-release, which may or may not have a release's flags.
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
            f"{binary} is Prometheus {release}; a release from {OLDEST_SUPPORTED} and below "
            f"{FIRST_UNSUPPORTED} is needed: set MONITORD_PROMETHEUS to one"
        )
    return version


def has_left_open_ranges(version: str) -> bool:
    """Return whether this version excludes a sample at the start of a range.

    Prometheus does so since 3.0; an unknown version counts as older.
    """
    match = _VERSION.match(version)
    return match is not None and int(match[1]) >= 3


def native_warning(version: Version) -> str | None:
    """Return a warning about native histograms with this version; None if nothing is lost."""
    if version >= CLASSIC_BESIDE_NATIVE:
        return None
    return (
        f"Prometheus {version} keeps only the native form of histograms that have both, so queries of "
        f"their _bucket, _sum and _count series find nothing; {CLASSIC_BESIDE_NATIVE} and later keep both"
    )
