"""What a start of Prometheus needs, found out once: the binary, its place, its limits, its command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitord.atomic import read_if_exists
from monitord.prometheus.auth import Credentials, prepare_credentials
from monitord.prometheus.command import Build, ServerOptions, command_line, listen_address
from monitord.prometheus.machine_memory import find_memory_limit
from monitord.prometheus.memory import MemoryLimit
from monitord.prometheus.placement import retention_bytes
from monitord.prometheus.places import Made, make_data_folder, make_run_folder, measure
from monitord.prometheus.process import find_binary, find_promtool, read_build
from monitord.prometheus.run_folder import RunFolder
from monitord.prometheus.storage import Storage
from monitord.session import Session
from monitord.settings import PrometheusSettings, Settings

_WEB_CONFIG = "web.yml"


@dataclass(frozen=True, slots=True)
class Launch:
    """How one session's Prometheus is started, every time.

    `warnings` are what the user should know of all this; `data_reason` why the data lie where they do.
    """

    build: Build
    promtool: Path | None
    credentials: Credentials | None
    storage: Storage
    run_folder: RunFolder
    memory: MemoryLimit
    options: ServerOptions
    data_reason: str
    warnings: tuple[str, ...]
    _web_config: Path | None

    def argv(self) -> list[str]:
        """Return the command line."""
        return command_line(self.build, self.options)

    def environment(self) -> Mapping[str, str]:
        """Return the environment, from which a child gets what it may have."""
        limit = self.memory.bytes
        return {**os.environ, **({"GOMEMLIMIT": str(limit)} if limit is not None else {})}

    def refresh(self) -> None:
        """Have the run folder hold what Prometheus reads at every request. Raises as that does."""
        content = read_if_exists(self._web_config) if self._web_config else None
        if content is not None:  # while the session folder is away, what is there already will do
            self.run_folder.refresh({_WEB_CONFIG: content})


def prepare_launch(session: Session, settings: Settings) -> Launch:
    """Find and make all that is needed.

    Raises PrometheusError when there is no usable binary, and InvalidInputError when a place or a
    limit cannot be used as it is set.
    """
    wanted = settings.prometheus
    build = read_build(find_binary(wanted.binary))
    promtool = find_promtool(build)
    data, run = make_data_folder(session, wanted.data_dir), make_run_folder(session)
    run_folder = RunFolder(run.location)
    credentials = prepare_credentials(session.password_file, session.web_config) if wanted.auth else None
    options = ServerOptions(
        config=session.prometheus_config,
        data_dir=data.folder,
        listen=listen_address(wanted.host, wanted.port),
        retention=wanted.retention,
        retention_bytes=_retention_bytes(wanted, data),
        web_config=run_folder.folder / _WEB_CONFIG if wanted.auth else None,
    )
    unchecked = f"no promtool {build.version} beside the binary or in $PATH: its configuration is not checked"
    return Launch(
        build, promtool, credentials, Storage(data.folder), run_folder,
        find_memory_limit(wanted.memory_bytes), options, data.location.reason,
        (*data.warnings, *run.warnings, *(() if promtool else (unchecked,))),
        session.web_config if wanted.auth else None,
    )  # fmt: skip


def _retention_bytes(wanted: PrometheusSettings, data: Made) -> int | None:
    try:
        return retention_bytes(wanted.retention_bytes, *measure(data.folder))
    except OSError:  # it cannot be written yet, which is told, and waited for
        return wanted.retention_bytes
