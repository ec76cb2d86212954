"""Sessions as a user has them: the real program, the real Prometheus, a folder of their own."""

from __future__ import annotations

import base64
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError

import pytest

from monitord.errors import PrometheusError
from monitord.prometheus.child.logfmt import listening_url
from monitord.prometheus.config.programs import find_binary
from monitord.session.folder import Session
from monitord.session.settings import render_settings
from monitord.slurm.job import OVER
from tests.conftest import wait_until
from tests.fakes.exporter import FakeExporter, counter
from tests.slurm_cluster import SlurmCluster

REPOSITORY = Path(__file__).parents[2]
MONITORD = (sys.executable, "-m", "monitord")
PATIENCE = 60.0


@dataclass
class Bench:
    """One session, the programs a test runs on it, and what they left in its folder."""

    root: Path
    name: str = "bench"
    started: list[subprocess.Popen[Any]] = field(default_factory=list)
    traced: tuple[str, ...] = ()  # what runs the programs
    mounted_root: Path | None = None  # where the programs see the root, if that is another path
    more: Mapping[str, str] = field(default_factory=dict)  # what their environment holds beside

    @property
    def session(self) -> Session:
        return Session(self.root, self.name)

    @property
    def programs_root(self) -> Path:
        return self.mounted_root or self.root

    def environment(self, **more: str) -> dict[str, str]:
        """Return an environment that names this root, and nothing else of monitord's or Slurm's."""
        strange = ("MONITORD_", "SLURM_", "PYTEST_", "XDG_", "NO_COLOR", "COLUMNS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        tools = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath)))
        own = {"PATH": tools, "PYTHONPATH": str(REPOSITORY), "MONITORD_ROOT": str(self.programs_root)}
        return {**kept, **own, **self.more, **more}

    def monitord(
        self, *arguments: str | Path, code: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and require its exit code."""
        ran = subprocess.run(
            [*MONITORD, *map(str, arguments)], env=self.environment(**environment), cwd=self.root,
            capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if code is not None:
            assert ran.returncode == code, (arguments, ran.stdout, ran.stderr)
        return ran

    def start(
        self, *arguments: str, stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL, **environment: str,
    ) -> subprocess.Popen[bytes]:  # fmt: skip
        """Start a command that goes on; it is ended with the bench."""
        process = subprocess.Popen(
            [*self.traced, *MONITORD, *arguments], env=self.environment(**environment), cwd=self.root,
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def create(self, **settings: Any) -> None:
        """Make the session, its settings given as `prometheus__port=0`."""
        fast: dict[str, Any] = {
            "session": self.name,
            "scrape_interval": "500ms",
            "prometheus.port": 0,
            "windows.settle_timeout": "8s",
            # A window of a few seconds holds few scrapes; a busy machine that does not make all is no fault.
            "windows.min_coverage": 0.5,
        }
        given = {key.replace("__", "."): value for key, value in settings.items()}
        self.session.create(render_settings({**fast, **given}))

    def run(self, *flags: str, ready: bool = True, **environment: str) -> subprocess.Popen[bytes]:
        """Start the daemon and, but for `ready=False`, wait until its Prometheus answers."""
        with (self.root / "daemon.out").open("ab") as output:
            daemon = self.start("run", "-s", self.name, *flags, stdout=output, stderr=output, **environment)
        if ready:
            wait_until(lambda: self.is_ready(daemon), "the daemon to be ready", PATIENCE)
        return daemon

    def is_ready(self, daemon: subprocess.Popen[bytes]) -> bool:
        assert daemon.poll() is None, (self.root / "daemon.out").read_text()
        status = self.daemon
        return status.get("phase") == "ready" and status.get("pid") == daemon.pid

    def drop(self, name: str, text: str) -> Path:
        """Put a target file into the drop folder, as `cp` would."""
        (self.session.targets / name).write_text(text)
        return self.session.targets / name

    def mark(self, name: str, text: str = "") -> Path:
        """Touch or write a window marker."""
        marker = self.session.windows / name
        if text:
            marker.write_text(text)
        else:
            marker.touch()
        return marker

    @property
    def daemon(self) -> dict[str, Any]:
        return read(self.session.daemon_status)

    def target(self, file: str) -> dict[str, Any]:
        return read(self.session.target_status(file))

    def window(self, window_id: str) -> dict[str, Any]:
        return read(self.session.window_status(window_id))

    def manifest(self, window_id: str) -> dict[str, Any]:
        return read(self.session.artifacts / window_id / "MANIFEST.json")

    def table(self, window_id: str, name: str) -> list[dict[str, str]]:
        with (self.session.artifacts / window_id / name).open(newline="") as file:
            return list(csv.DictReader(file))

    def log(self, *events: str) -> list[dict[str, Any]]:
        """Return the log's lines, or those with one of these events."""
        lines = [json.loads(line) for line in self.session.log_file.read_text().splitlines()]
        return [line for line in lines if not events or line["event"] in events]

    def count(self, event: str, expected: int) -> int:
        """Count the lines of an event, once there are as many as expected: a thread writes them."""
        wait_until(lambda: len(self.log(event)) >= expected, f"{expected} lines of {event}", PATIENCE)
        return len(self.log(event))

    def wait_up(self, *files: str) -> None:
        """Wait until all endpoints of these target files are up."""
        for file in files:
            wait_until(lambda file=file: self.is_up(file), f"{file} to be up", PATIENCE)  # type: ignore[misc]

    def is_up(self, file: str) -> bool:
        status = self.target(file)
        return status.get("state") == "accepted" and all(e["health"] == "up" for e in status["endpoints"])

    def wait_window(self, window_id: str, *states: str) -> dict[str, Any]:
        """Wait until a window has come to an end, or to one of these states; return its status."""
        wanted = states or ("done", "failed", "cancelled")
        wait_until(lambda: self.window(window_id).get("state") in wanted, f"{window_id} {wanted}", PATIENCE)
        return self.window(window_id)

    def scrapes(self, window_id: str) -> int:
        """Return in how many scrapes the shortest-seen target was seen by a window."""
        return min(int(row["scrapes"]) for row in self.table(window_id, "coverage.csv"))

    def ask(self, path: str, password: str | None = None) -> Any:
        """Ask the session's Prometheus, with its password or another one."""
        prometheus = self.daemon["prometheus"]
        word = Path(prometheus["password_file"]).read_text().strip() if password is None else password
        basic = base64.b64encode(f"{prometheus['user']}:{word}".encode()).decode()
        request = urllib.request.Request(
            f"{prometheus['url']}{path}", headers={"Authorization": f"Basic {basic}"} if word else {}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def left(self) -> dict[int, str]:
        """Return the living processes that were started for this root, by their command line."""
        root, found = os.fsencode(self.programs_root), {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            if root in command or root in environ:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def wait_alone(self, seconds: float = 20.0) -> None:
        """Wait until no process of this root is left."""
        wait_until(lambda: not self.left(), f"the end of {self.left()}", seconds)

    def end(self) -> None:
        """End what was started here by its handle, then require that nothing else is left."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        try:
            self.wait_alone()
        finally:
            for pid in self.left():
                os.kill(pid, signal.SIGKILL)


def read(file: Path) -> dict[str, Any]:
    """Return what a published file holds; nothing while it is not there."""
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    assert isinstance(content, dict)
    return content


@contextmanager
def benches(root: Path, mounted_root: Path | None = None, **settings: Any) -> Iterator[Bench]:
    """Make a session under a root; whatever the test does, nothing is left running."""
    try:
        find_binary()
    except PrometheusError as error:
        pytest.fail(str(error))  # without it nothing here is shown
    found = Bench(root, mounted_root=mounted_root)
    found.create(**settings)
    try:
        yield found
    finally:
        found.end()


S = ("-s", "bench")


@dataclass
class Site:
    """A session and the cluster that it runs on."""

    bench: Bench
    cluster: SlurmCluster

    def start(self, *flags: str, code: int = 0) -> str:
        """Start the daemon's job and return its id."""
        self.bench.monitord("start", *S, "--timeout", "60s", *flags, code=code)
        job_id = self.bench.daemon["slurm_job_id"]
        assert isinstance(job_id, str)
        return job_id

    def status(self) -> dict[str, Any]:
        shown = json.loads(self.bench.monitord("status", *S, "-o", "json").stdout)
        assert isinstance(shown, dict)
        return shown

    def wait_ready(self, job_id: str, restart_count: int = 0, seconds: float = 60.0) -> None:
        def is_ready() -> bool:
            daemon = self.bench.daemon
            return (daemon.get("phase"), daemon.get("slurm_job_id"), daemon.get("restart_count")) == (
                "ready", job_id, restart_count,
            )  # fmt: skip

        wait_until(is_ready, f"job {job_id} to be ready again", seconds)

    def open_a_window(self, exporter: FakeExporter, window_id: str) -> None:
        """Open a window when c1.yaml is up, and let some scrapes fall into it."""
        self.bench.wait_up("c1.yaml")
        self.bench.mark(f"{window_id}.start")
        self.bench.wait_window(window_id, "open")
        scraped = exporter.scrapes
        wait_until(lambda: exporter.scrapes > scraped + 4, "some scrapes")

    def wait_over(self, job_id: str, seconds: float = 60.0) -> str:
        """Wait until a job, or every task of it, is over; return the state that it ended in."""

        def state() -> str:
            states = set(self.cluster.state(job_id).split())
            return " ".join(sorted(states)) if states <= OVER else ""

        return wait_until(state, f"job {job_id} to be over", seconds)


@contextmanager
def sites(root: Path, cluster: SlurmCluster) -> Iterator[Site]:
    """Make a session whose daemon is a job; whatever the test does, no job is left."""
    with benches(root, allocation__close_before="1s", windows__settle_timeout="20s") as bench:
        bench.more = cluster.environment
        try:
            yield Site(bench, cluster)
        finally:
            cluster.cancel_all()


def target_of(exporter: FakeExporter) -> str:
    """Return a target file's content; the daemon runs under Slurm, where localhost is the client's."""
    exporter.expose(counter("http_requests_total", 7.0))
    return f"services: [{{name: web, endpoint: {exporter.url}}}]\nhost: 127.0.0.1\n"


@contextmanager
def node_exporter(log: Path) -> Iterator[str]:
    """Run the real node_exporter on a free port; give its host:port."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    names = ("prometheus-node-exporter", "node_exporter")
    binary = next((found for name in names if (found := shutil.which(name, path=path))), None)
    if binary is None:
        pytest.skip("no node_exporter in $PATH")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binary, "--web.listen-address=127.0.0.1:0"], stdout=output, stderr=output, start_new_session=True
        )
    try:
        url = wait_until(lambda: listening_url(log.read_text()), "node_exporter")
        yield url.removeprefix("http://")
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with benches(tmp_path) as found:
        yield found


def refused(bench: Bench, password: str) -> int:
    """Return the HTTP status that Prometheus answers to a password, which must not be 200."""
    with pytest.raises(HTTPError) as caught:
        bench.ask("/api/v1/status/buildinfo", password)
    with caught.value as answer:
        return answer.code


def session_rows(
    rows: list[dict[str, str]], kpi: str, scope: str = "session"
) -> Mapping[str, dict[str, str]]:
    """Return a KPI's rows of one scope, by their stat."""
    return {row["stat"]: row for row in rows if (row["kpi"], row["scope"]) == (kpi, scope)}
