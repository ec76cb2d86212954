"""Every setting of a session: its type, default and description. Pure.

`settings_sources` reads them from files, variables and flags. `python -m tests.lint.settings_page`
generates docs/settings.md from this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from monitord.documents.networks import read_rule
from monitord.documents.strict_yaml import (
    PlainFloat,
    PlainInt,
    read_document,
    write_document,
)
from monitord.documents.validation import Duration, Model, Name, refuse, validate

_LOG_BYTES = 16 * 1024 * 1024

Port = Annotated[int, Field(ge=0, le=65535)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


def _long_enough(seconds: float) -> float:
    if seconds < 0.1:
        raise refuse("must be 100ms or longer")
    return seconds


ScrapeInterval = Annotated[Duration, AfterValidator(_long_enough)]


class WatchSettings(Model, title="watch"):
    """How the drop folders are watched."""

    poll_interval: Duration = Field(
        default=2.0, description="how often the drop folders are checked for changes"
    )
    full_scan_interval: Duration = Field(
        default=30.0, description="how often every file is checked, also without a change of its folder"
    )
    mode: Literal["auto", "inotify", "poll"] = Field(
        default="auto", description="whether inotify shortens the wait between polls"
    )


def _rule(value: Any) -> Any:
    if isinstance(value, str):
        try:
            read_rule(value)
        except ValueError as error:
            raise refuse(str(error)) from None
    return value


_RULE_SCHEMA = {"type": "string", "minLength": 1, "examples": ["10.0.0.0/8", "mel*"]}
Rule = Annotated[str, AfterValidator(_rule), WithJsonSchema(_RULE_SCHEMA)]

# Link-local addresses, and the metadata services of clouds, which hand out credentials.
DENIED = (
    "169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "100.100.100.200",
    "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal",
)  # fmt: skip


class TargetSettings(Model, title="targets"):
    """Which targets may be scraped: networks, addresses and patterns of host names."""

    allow: list[Rule] = Field(
        default=[], description="what may be scraped; empty: everything that is not denied"
    )
    deny: list[Rule] = Field(default=list(DENIED), description="what is never scraped, even if it is allowed")


class LimitSettings(Model, title="limits"):
    """Limits of one scrape, so that one bad exporter cannot starve the others."""

    samples: Count = Field(default=50_000, description="samples per scrape")
    labels: Count = Field(default=64, description="labels per series")
    label_name_bytes: Count = Field(default=256, description="length of a label name")
    label_value_bytes: Count = Field(default=2048, description="length of a label value")
    body_bytes: Count = Field(default=32 * 1024 * 1024, description="size of one response")


class TlsSettings(Model, title="TLS"):
    """Whether the session's Prometheus serves https."""

    enabled: bool = Field(default=False, description="serve https only")
    cert_file: str | None = Field(
        default=None, description="certificate (PEM); default: one is generated for the session"
    )
    key_file: str | None = Field(default=None, description="private key (PEM), readable by its owner only")


class PrometheusSettings(Model, title="Prometheus"):
    """The Prometheus server that the daemon runs."""

    host: str = Field(default="127.0.0.1", description="listen address")
    port: Port = Field(default=9090, description="listen port; 0: a free one")
    binary: str = Field(
        default="prometheus",
        description="the program, by name or path; $MONITORD_PROMETHEUS beats the default",
    )
    data_dir: str | None = Field(
        default=None,
        description="data folder; default: below $SLURM_TMPDIR, under Slurm below $TMPDIR, "
        "else prometheus/data in the session folder",
    )
    retention: Duration = Field(default=15 * 86400.0, description="how long data are kept")
    retention_bytes: Count | None = Field(
        default=None,
        description="size at which the oldest data are deleted; default: four fifths of the available space",
    )
    memory_bytes: Count | None = Field(
        default=None,
        description="memory that it tries to stay below (GOMEMLIMIT, which beats this in the environment); "
        "default: three quarters of the memory of the job, cgroup or machine",
    )
    snapshots: Literal["auto", "never", "end", "windows"] = Field(
        default="auto",
        description="when data are copied to prometheus/snapshots/: at the end, or also after each window; "
        "auto: at the end, if the data folder is outside the session folder",
    )
    native_histograms: bool = Field(
        default=False, description="also scrape native histograms; 2.42 to 2.44 then drop the classic form"
    )
    auth: bool = Field(
        default=True, description="require the password in prometheus/password, for the user monitord"
    )
    tls: TlsSettings = Field(default=TlsSettings(), description="whether it serves https")
    start_timeout: Duration = Field(
        default=60.0, description="time to become ready; progress in replaying its log extends it"
    )
    stop_timeout: Duration = Field(default=10.0, description="time to stop before it is killed")
    check_interval: Duration = Field(
        default=5.0, description="health check interval; three failures in a row restart it"
    )
    max_failures: Count = Field(
        default=20, description="failures in a row after which it is not restarted, until SIGHUP"
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="limits of one scrape")


class WindowSettings(Model, title="windows"):
    """How windows are collected and judged."""

    settle_timeout: Duration = Field(
        default=30.0, description="time to wait for the last scrapes of a window"
    )
    min_coverage: Ratio = Field(
        default=0.95, description="share of expected scrapes below which a window is partial"
    )
    max_uncertainty: Ratio = Field(
        default=0.1, description="share of a value that its bounds may be apart before it is partial"
    )
    samples: bool = Field(default=True, description="keep raw samples as Parquet")
    blocks: bool = Field(
        default=False, description="keep the blocks of Prometheus's database that hold the window, in tsdb/"
    )


class StatusSettings(Model, title="status"):
    """Status files."""

    keep: Duration = Field(
        default=86400.0,
        description="how long the status of a deleted target file is kept, and of a window without "
        "markers and artifacts",
    )


class AllocationSettings(Model, title="allocation"):
    """What the daemon does before its Slurm allocation ends."""

    warn_before: Duration = Field(
        default=600.0, description="time before its end at which a warning is logged"
    )
    close_before: Duration = Field(
        default=120.0,
        description="time before its end at which open windows are closed and collected; "
        "Slurm's signal may come earlier",
    )


class LogSettings(Model, title="logs"):
    """The log files of the daemon and of Prometheus, in `logs/`."""

    max_bytes: Count = Field(
        default=_LOG_BYTES,
        description="size at which a log file is renamed to NAME.1",
    )
    kept: Annotated[int, Field(ge=0)] = Field(
        default=4, description="number of renamed log files that are kept"
    )


# Keys of features that this version does not have, each with the one value that may be written for it.
UNAVAILABLE: dict[str, Any] = {
    "web": {"enabled": False, "host": "127.0.0.1", "port": 0},
    "remote_write": [],
    "query_url": None,
}


def _is_neutral(key: str, value: Any) -> bool:
    neutral = UNAVAILABLE.get(key, ...)
    if isinstance(neutral, dict) and isinstance(value, dict):
        return value.items() <= neutral.items()
    return bool(value == neutral)


class Settings(Model):
    """All settings of a session."""

    session: Name = Field(default="session", description="the session's name")
    scrape_interval: ScrapeInterval = Field(default=1.0, description="how often targets are scraped")
    shutdown_timeout: Duration = Field(default=25.0, description="time to collect open windows after SIGTERM")
    watch: WatchSettings = Field(default=WatchSettings(), description="how the drop folders are watched")
    targets: TargetSettings = Field(default=TargetSettings(), description="which targets may be scraped")
    prometheus: PrometheusSettings = Field(
        default=PrometheusSettings(), description="the Prometheus server that the daemon runs"
    )
    windows: WindowSettings = Field(
        default=WindowSettings(), description="how windows are collected and judged"
    )
    status: StatusSettings = Field(default=StatusSettings(), description="status files")
    allocation: AllocationSettings = Field(
        default=AllocationSettings(), description="what is done before the Slurm allocation ends"
    )
    logs: LogSettings = Field(default=LogSettings(), description="log files")
    handover: bool = Field(
        default=False, description="submit a job that continues the session when the allocation ends"
    )

    refused_keys = dict.fromkeys(UNAVAILABLE, "is not available in this version; leave it out")

    @model_validator(mode="before")
    @classmethod
    def _without_unavailable(cls, values: Any) -> Any:
        """Drop the keys of `UNAVAILABLE` that hold their neutral value; any other value is refused."""
        if not isinstance(values, dict):
            return values
        return {key: value for key, value in values.items() if not _is_neutral(key, value)}


def check_settings(content: bytes) -> Settings:
    """Parse and validate a settings file. Raises InvalidFileError."""
    return validate(Settings, read_document(content))


def differing(one: Settings, other: Settings) -> tuple[str, ...]:
    """Return the dotted keys whose values differ."""
    values = dict(leaves(other.model_dump()))
    return tuple(key for key, value in leaves(one.model_dump()) if values[key] != value)


def render_settings(values: Mapping[str, Any]) -> bytes:
    """Return the content of a settings file for dotted keys and values."""
    plain = {key: _plain(value) for key, value in values.items()}
    return write_document(nested(plain))


def _plain(value: Any) -> Any:
    """Turn a number that remembers its spelling into a plain one."""
    match value:
        case PlainInt():
            return int(value)
        case PlainFloat():
            return float(value)
        case _:
            return value


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of nested sections with its dotted key."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted keys into nested sections: the reverse of `leaves`."""
    sections_by_name: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        section = sections_by_name
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return sections_by_name
