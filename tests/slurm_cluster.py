"""A real Slurm of two nodes on this machine: munged, slurmctld and a slurmd for each node.

On free ports, with a configuration, a key and logs of its own below /tmp; it is ended with the tests.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

NODES = ("n1", "n2")
KILL_WAIT_SECONDS = 30  # Slurm's own default
START_SECONDS = 30.0
STOP_SECONDS = 30.0
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun")

_CONFIGURATION = """\
ClusterName=monitord
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
MessageTimeout=4
KillWait={kill_wait}
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
PartitionName=short Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_NODE = "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=8000\n"


class NoSlurmError(Exception):
    """There is no Slurm to be had here; the message says why."""


class SlurmCluster:
    """A handle on the cluster's processes, and on its commands."""

    def __init__(self) -> None:
        """Start it. Raises NoSlurmError, or TimeoutError when its nodes do not come up."""
        missing = [name for name in PROGRAMS if _find(name) is None]
        if missing:
            raise NoSlurmError(f"this machine has no {', '.join(missing)}; install slurm-wlm and munge")
        if os.geteuid() != 0:
            raise NoSlurmError("slurmd needs root to run jobs")
        # munged wants every folder above its socket open to all, which pytest's are not.
        self.folder = Path(tempfile.mkdtemp(prefix="monitord-slurm-", dir="/tmp"))
        self.folder.chmod(0o755)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            self._configure()
            self._start_munged()
            self.start_controller()
            for node in NODES:
                self._spawn(node, "slurmd", "-D", "-N", node, "-f", str(self.configuration))
            self._await(self._are_idle, "the nodes to be idle")
        except BaseException:
            self.close()
            raise

    @property
    def configuration(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find this cluster."""
        return {"SLURM_CONF": str(self.configuration)}

    def run(self, *command: str, **environment: str) -> str:
        """Run a command on the cluster and return its output, or raise CalledProcessError."""
        return subprocess.run(
            command, env={**os.environ, **self.environment, **environment}, check=True, timeout=60,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def submit(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> str:
        """Submit a batch job and return its id."""
        return self.run("sbatch", "--parsable", *map(str, arguments), **(environment or {})).strip()

    def state(self, job_id: str) -> str:
        """Return a job's state, also when it has ended."""
        return self.run(
            "squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T"
        ).strip()  # fmt: skip

    def cancel_all(self) -> None:
        """Cancel every job, and wait until the queue is empty."""
        self.run("scancel", "--user=root")
        self._await(lambda: not self.run("squeue", "--noheader"), "the queue to be empty")

    @contextmanager
    def sick_node(self, node: str) -> Iterator[None]:
        """Have a node's slurmd answer nothing; it goes on afterwards."""
        process = self._processes[node]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)
            self.await_controller()

    def start_controller(self) -> None:
        self._spawn("slurmctld", "slurmctld", "-D", "-f", str(self.configuration))

    def stop_controller(self) -> None:
        self._end("slurmctld")

    def ensure_controller(self) -> None:
        """Start the controller where it does not run, and wait until it answers."""
        if "slurmctld" not in self._processes:
            self.start_controller()
        self.await_controller()

    def await_controller(self) -> None:
        """Wait until the controller answers and its nodes are up."""
        self._await(self._are_up, "slurmctld to answer, and its nodes to be up")

    def close(self) -> None:
        """Cancel what runs, end every process and remove the folder."""
        if "slurmctld" in self._processes:
            with suppress(subprocess.SubprocessError, TimeoutError):
                self.cancel_all()
        for name in reversed(list(self._processes)):
            self._end(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _configure(self) -> None:
        host = socket.gethostname()
        ports = free_ports(1 + len(NODES))
        text = _CONFIGURATION.format(
            host=host, folder=self.folder, controller_port=ports[0], kill_wait=KILL_WAIT_SECONDS
        )
        nodes = zip(NODES, ports[1:], strict=True)
        text += "".join(_NODE.format(node=node, host=host, port=port) for node, port in nodes)
        self.configuration.write_text(text)
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()

    def _start_munged(self) -> None:
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(128))
        files = ("socket", "key", "log", "pid", "seed")
        flags = ("--socket", "--key-file", "--log-file", "--pid-file", "--seed-file")
        paths = [f"{flag}={self.folder}/munge.{file}" for flag, file in zip(flags, files, strict=True)]
        self._spawn("munged", "munged", "--foreground", *paths)
        self._await((self.folder / "munge.socket").exists, "munged's socket")

    def _are_idle(self) -> bool:
        return self._node_states() == ["idle"] * len(NODES)

    def _are_up(self) -> bool:
        return all(state in ("idle", "mixed", "allocated") for state in self._node_states())

    def _node_states(self) -> list[str]:
        try:
            return self.run("sinfo", "--noheader", "--Node", "--format=%T").split()
        except subprocess.CalledProcessError:
            return ["unknown"]

    def _spawn(self, name: str, program: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [_find(program) or program, *arguments], env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        """Poll until it is so, as tests do; what fails here is the set-up, and tells what Slurm printed."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {START_SECONDS:g} s in vain for {what}:\n{self._output()}")
            time.sleep(0.1)

    def _output(self) -> str:
        files = sorted(self.folder.glob("*.out"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-2000:]}" for file in files)


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def free_ports(count: int) -> Sequence[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
