"""What every start of Prometheus needs, prepared once: binary, folders, limits, command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from monitord.prometheus.api.version import Build, native_warning
from monitord.prometheus.child.cgroup_memory import find_memory_limit
from monitord.prometheus.child.command import ServerOptions, command_line, listen_address
from monitord.prometheus.child.memory_limit import MemoryLimit
from monitord.prometheus.config.programs import find_binary, find_promtool, read_build
from monitord.prometheus.config.render_config import render_config
from monitord.prometheus.config.run_folder import RunFolder
from monitord.prometheus.config.web_access import (
    CERTIFICATE,
    WEB_CONFIG,
    Access,
    check_web_config,
    prepare_access,
)
from monitord.prometheus.data.blocks import SnapshotPlan, snapshot_plan
from monitord.prometheus.data.data_folders import Made, lies_in_session, make_data_folder, measure
from monitord.prometheus.data.data_location import retention_bytes
from monitord.prometheus.data.storage import Storage
from monitord.session.folder import Session
from monitord.session.settings import PrometheusSettings, Settings
from monitord.targets.credentials import ScrapeCredentials


@dataclass(frozen=True, slots=True)
class Launch:
    """How one session's Prometheus is started.

    `warnings` are for the user; `data_reason` is why the data are where they are.
    """

    build: Build
    promtool: Path | None
    access: Access
    storage: Storage
    run_folder: RunFolder
    memory: MemoryLimit
    options: ServerOptions
    snapshots: SnapshotPlan
    data_reason: str
    warnings: tuple[str, ...]

    def argv(self, port: int | None = None) -> list[str]:
        """Return the command line; `port` is a free port that an earlier run had."""
        options = self.options
        if port is not None:
            host = options.listen.rpartition(":")[0]
            options = replace(options, listen=listen_address(host, port))
        return command_line(self.build, options)

    def environment(self) -> Mapping[str, str]:
        """Return the environment, of which a child gets a part."""
        limit = self.memory.bytes
        return {**os.environ, **({"GOMEMLIMIT": str(limit)} if limit is not None else {})}

    @property
    def certificate(self) -> Path | None:
        """The certificate that it serves, None without TLS."""
        return self.run_folder.folder / CERTIFICATE if self.access.tls else None

    def render(self, settings: Settings, credentials: Mapping[ScrapeCredentials, str]) -> bytes:
        """Return prometheus.yml. `credentials` are those of targets, with stamps of their files."""
        return render_config(
            self.run_folder.file_sd, settings.scrape_interval, settings.prometheus.limits,
            self.build.version, credentials, settings.prometheus.native_histograms,
        )  # fmt: skip

    def refresh(self) -> None:
        """Write what Prometheus reads at every request into the run folder. Raises as that does."""
        self.run_folder.refresh(self.access.run_files())

    def renewed(self) -> Launch:
        """Return the same with another password."""
        return replace(self, access=self.access.renewed())

    def with_pair(self, pair: Mapping[str, bytes]) -> Launch:
        """Return the same with another certificate and key."""
        return replace(self, access=replace(self.access, pair=pair))


def prepare_launch(session: Session, settings: Settings, now: float, run: Made) -> Launch:
    """Find or create everything that a start needs.

    `now` is in Unix seconds, `run` is the run folder. Raises PrometheusError when there is no usable binary,
    and InvalidInputError when a place, a limit or a certificate cannot be used as it is set.
    """
    wanted = settings.prometheus
    build = read_build(find_binary(wanted.binary))
    promtool = find_promtool(build)
    data, run_folder = make_data_folder(session, wanted.data_dir), RunFolder(run.location)
    access = prepare_access(session, wanted, now)
    files = access.run_files()
    run_folder.refresh(files)
    if files:
        check_web_config(promtool, run_folder.folder / WEB_CONFIG)
    in_session = lies_in_session(data.folder, session)
    snapshots = snapshot_plan(
        wanted.snapshots, data_in_session=in_session, auth=wanted.auth, of_windows=settings.windows.blocks
    )
    options = ServerOptions(
        config=run_folder.config,
        data_dir=data.folder,
        listen=listen_address(wanted.host, wanted.port),
        retention=wanted.retention,
        retention_bytes=_retention_bytes(wanted, data),
        web_config=run_folder.folder / WEB_CONFIG if files else None,
        admin_api=snapshots.wanted,
        native_histograms=wanted.native_histograms,
    )
    unchecked = f"no promtool {build.version} beside the binary or in $PATH: its configuration is not checked"
    native = native_warning(build.version) if wanted.native_histograms else None
    warnings = (*data.warnings, *run.warnings, snapshots.warning, native, None if promtool else unchecked)
    return Launch(
        build, promtool, access, Storage(data.folder), run_folder,
        find_memory_limit(wanted.memory_bytes), options, snapshots, data.location.reason,
        tuple(filter(None, warnings)),
    )  # fmt: skip


def _retention_bytes(wanted: PrometheusSettings, data: Made) -> int | None:
    try:
        return retention_bytes(wanted.retention_bytes, *measure(data.folder))
    except OSError:  # it cannot be written yet, which is reported and waited for
        return wanted.retention_bytes
