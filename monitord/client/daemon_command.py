"""The command line of a session's daemon, as it is started here or in a Slurm job."""

from __future__ import annotations

from dataclasses import dataclass

from monitord.session.folder import Session
from monitord.system.children import python_module

MONITORD = python_module("monitord")


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    """The flags of `monitord run`. `handover` submits a job that continues the session after this one."""

    no_auth: bool = False
    prometheus_binary: str | None = None
    port: int | None = None
    data_dir: str | None = None
    handover: bool = False

    def arguments(self) -> list[str]:
        """Return them as arguments."""
        values = {
            "--prometheus-binary": self.prometheus_binary,
            "--port": self.port,
            "--data-dir": self.data_dir,
        }
        switches = {"--no-auth": self.no_auth, "--continue": self.handover}
        given = [text for flag, value in values.items() if value is not None for text in (flag, str(value))]
        return given + [flag for flag, is_set in switches.items() if is_set]


def run_arguments(session: Session, options: DaemonOptions) -> list[str]:
    """Return `run` and its arguments, without the program."""
    return ["run", "--root", str(session.root), "--session", session.name, *options.arguments()]


def daemon_command(session: Session, options: DaemonOptions) -> list[str]:
    """Return the whole command line of the daemon."""
    return [*MONITORD, *run_arguments(session, options)]
