"""What can be set, and what each setting means. Pure; `settings_sources` says where values come from."""

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
    """How the drop folders are looked at."""

    poll_interval: Duration = Field(default=2.0, description="how often the folders are listed")
    full_scan_interval: Duration = Field(default=30.0, description="how often every file is looked at")
    mode: Literal["auto", "inotify", "poll"] = Field(
        default="auto", description="whether changes are noticed by inotify, beside the polling"
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

# What a cloud tells a machine about itself, its credentials among it, and other link-local addresses.
DENIED = (
    "169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "100.100.100.200",
    "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal",
)  # fmt: skip


class TargetSettings(Model, title="targets"):
    """Which addresses may be scraped: networks, addresses, and patterns of host names."""

    allow: list[Rule] = Field(default=[], description="what may be scraped; empty: whatever is not denied")
    deny: list[Rule] = Field(
        default=list(DENIED), description="what is never scraped, also where it is allowed"
    )


class LimitSettings(Model, title="limits"):
    """What one scrape may cost, so that one bad exporter cannot starve the others."""

    samples: Count = Field(default=50_000, description="samples in one scrape")
    labels: Count = Field(default=64, description="labels on one series")
    label_name_bytes: Count = Field(default=256, description="length of a label's name")
    label_value_bytes: Count = Field(default=2048, description="length of a label's value")
    body_bytes: Count = Field(default=32 * 1024 * 1024, description="size of one scrape's answer")


class TlsSettings(Model, title="TLS"):
    """Whether the session's Prometheus serves https."""

    enabled: bool = Field(default=False, description="whether it serves https, and nothing else")
    cert_file: str | None = Field(
        default=None, description="its certificate, PEM; default: one that is generated for the session"
    )
    key_file: str | None = Field(
        default=None, description="the certificate's key, PEM, readable for its owner alone"
    )


class PrometheusSettings(Model, title="Prometheus"):
    """The Prometheus that the daemon runs."""

    host: str = Field(default="127.0.0.1", description="address that it listens on")
    port: Port = Field(default=9090, description="port that it listens on; 0 takes a free one")
    binary: str = Field(default="prometheus", description="the program, by name or path")
    data_dir: str | None = Field(
        default=None,
        description="where its data lie; default: in $SLURM_TMPDIR, under Slurm in $TMPDIR, "
        "else the session's prometheus/data",
    )
    retention: Duration = Field(default=15 * 86400.0, description="for how long data are kept")
    retention_bytes: Count | None = Field(
        default=None,
        description="how large data may grow before the oldest go; default: four fifths of the room there is",
    )
    memory_bytes: Count | None = Field(
        default=None,
        description="how much memory it tries to get by with; default: three quarters of what the job has",
    )
    snapshots: Literal["auto", "never", "end", "windows"] = Field(
        default="auto",
        description="when data are copied to the session folder, at the end or after each window as well; "
        "auto: at the end, where they do not lie there",
    )
    native_histograms: bool = Field(
        default=False, description="whether histograms are also scraped in their native form"
    )
    auth: bool = Field(default=True, description="whether it asks for the session's password")
    tls: TlsSettings = Field(default=TlsSettings(), description="whether it serves https")
    start_timeout: Duration = Field(default=60.0, description="how long it may take to become ready")
    stop_timeout: Duration = Field(default=10.0, description="how long it may take to end")
    check_interval: Duration = Field(
        default=5.0, description="how often it is asked whether all is well; three failures restart it"
    )
    max_failures: Count = Field(
        default=20, description="failures in a row after which it is not started again"
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="what one scrape may cost")


class WindowSettings(Model, title="windows"):
    """How windows are collected and judged."""

    settle_timeout: Duration = Field(
        default=30.0, description="how long to wait for the scrapes that complete a window"
    )
    min_coverage: Ratio = Field(
        default=0.95, description="the share of expected scrapes that a complete window has"
    )
    samples: bool = Field(
        default=True, description="whether raw samples are kept as Parquet, where pyarrow is installed"
    )
    blocks: bool = Field(
        default=False, description="whether the blocks of Prometheus's data that hold a window are kept"
    )


class StatusSettings(Model, title="status"):
    """What is published of files and windows."""

    keep: Duration = Field(
        default=86400.0,
        description="how long the status is kept of a target file that was deleted, and of a window that has "
        "neither markers nor artifacts",
    )


class AllocationSettings(Model, title="allocation"):
    """What the daemon does when its Slurm allocation is about to end."""

    warn_before: Duration = Field(default=600.0, description="how long before its end a warning is logged")
    close_before: Duration = Field(
        default=120.0,
        description="how long before its end windows are closed and collected; Slurm's signal can be earlier",
    )


class LogSettings(Model, title="logs"):
    """The files in `logs/` that the daemon writes: its own log and that of Prometheus."""

    max_bytes: Count = Field(
        default=_LOG_BYTES,
        description="size at which a log file is set aside as <name>.1",
    )
    kept: Annotated[int, Field(ge=0)] = Field(
        default=4, description="how many of those that were set aside are kept"
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
    scrape_interval: ScrapeInterval = Field(default=5.0, description="how often targets are scraped")
    shutdown_timeout: Duration = Field(
        default=25.0, description="how long open windows may take to be collected on SIGTERM"
    )
    watch: WatchSettings = Field(default=WatchSettings(), description="how the drop folders are looked at")
    targets: TargetSettings = Field(default=TargetSettings(), description="which addresses may be scraped")
    prometheus: PrometheusSettings = Field(
        default=PrometheusSettings(), description="the Prometheus that the daemon runs"
    )
    windows: WindowSettings = Field(
        default=WindowSettings(), description="how windows are collected and judged"
    )
    status: StatusSettings = Field(
        default=StatusSettings(), description="what is published of files and windows"
    )
    allocation: AllocationSettings = Field(
        default=AllocationSettings(), description="what is done when the Slurm allocation is about to end"
    )
    logs: LogSettings = Field(default=LogSettings(), description="how large log files may grow")
    handover: bool = Field(
        default=False, description="whether another job is submitted that goes on when the allocation ends"
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
    """Return the settings that a file's content stands for; raises InvalidFileError."""
    return validate(Settings, read_document(content))


def differing(one: Settings, other: Settings) -> tuple[str, ...]:
    """Return the dotted keys whose values differ."""
    values = dict(leaves(other.model_dump()))
    return tuple(key for key, value in leaves(one.model_dump()) if values[key] != value)


def render_settings(values: Mapping[str, Any]) -> bytes:
    """Write dotted keys and values as a settings file."""
    plain = {key: _plain(value) for key, value in values.items()}
    return write_document(nested(plain))


def _plain(value: Any) -> Any:
    """Return a number read from a document without the memory of how it was written."""
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
    """Return the sections that dotted keys stand for."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return nested
