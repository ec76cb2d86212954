"""Child processes: the one door to subprocess for what the daemon and the demo run beside them.

A child started here is never left behind: the kernel kills it when monitord dies, however it dies, or it
detects that by EOF on its standard input. Each child has its own process group: a Ctrl-C, or a signal to
monitord's process group, reaches only monitord, which stops its children in order.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

from monitord.errors import MonitordError, PassingError, is_passing

_EXEC_SHIM = Path(__file__).with_name("exec_shim.py")
# Without LD_LIBRARY_PATH a Python of a cluster's module tree, which runs the shim, may not start.
_PASSED_ON = (
    "PATH",
    "LD_LIBRARY_PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "TZ",
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "GOGC",
)


def python_module(name: str) -> tuple[str, ...]:
    """Return the command that runs a module of monitord in another Python process.

    Without -P, modules in the current folder would come first, and others may be able to write there.
    """
    return (sys.executable, "-P", "-m", name)


class ChildError(MonitordError):
    """A program could not be run at all."""


class Child:
    """A handle on one process that `spawn` started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, -N for signal N, or None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code once it has ended, or None when it still runs after `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask it to end: SIGTERM, then SIGCONT, because a stopped process keeps SIGTERM pending."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.signal(signal.SIGKILL)

    def stop(self, seconds: float) -> int:
        """End it cleanly, by force once `seconds` have passed; return the exit code."""
        self.terminate()
        code = self.wait(seconds)
        if code is None:
            self.kill()
            code = self._process.wait()
        return code


class PipedChild(Child):
    """A child whose output, both streams as one, is read from a pipe. The reader closes the pipe."""

    @property
    def output(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101  # `spawn_piped` makes it a pipe
        return self._process.stdout


class InteractiveChild(Child):
    """A child that reads lines from its standard input, answers with lines, and ends at EOF.

    By EOF it also detects that monitord has ended. One thread communicates with it.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process)
        self._answered = b""

    def send_line(self, line: bytes) -> None:
        """Send it a line; raises OSError when it has ended."""
        assert self._process.stdin is not None  # noqa: S101  # `spawn_interactive` makes it a pipe
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def read_line(self, seconds: float) -> bytes | None:
        """Return its next line: empty once it has ended, None when none came in time."""
        assert self._process.stdout is not None  # noqa: S101  # likewise
        descriptor, deadline = self._process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._answered:
            ready = select.poll()
            ready.register(descriptor, select.POLLIN)
            if not ready.poll(max(deadline - time.monotonic(), 0.0) * 1000):
                return None
            read = os.read(descriptor, 65536)
            if not read:
                return b""
            self._answered += read
        line, _, self._answered = self._answered.partition(b"\n")
        return line

    def end_input(self) -> None:
        """Close its input, at which it ends. Any thread may call this."""
        assert self._process.stdin is not None  # noqa: S101  # likewise
        with suppress(OSError):  # it has ended, and has not read everything
            self._process.stdin.close()

    def dismiss(self, seconds: float) -> None:
        """Close its input and wait for its end; kill it once `seconds` have passed."""
        assert self._process.stdout is not None  # noqa: S101  # likewise
        self.end_input()
        if self.wait(seconds) is None:
            self.kill()
            self._process.wait()
        self._process.stdout.close()


def spawn(argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> Child:
    """Start a program that dies with this process; its output is appended to `log`.

    `argv[0]` is the program's absolute path, and `environment` is its whole environment. Files that it
    creates are for their owner only. A program that cannot be executed exits with code 127 and leaves a line
    in the log. Raises OSError when the log cannot be opened or no process can be created, and RuntimeError
    outside the main thread.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        how = {"stdout": descriptor, "stderr": subprocess.STDOUT, "env": dict(environment), "umask": 0o077}
        return Child(_spawn(argv, **how))
    finally:
        os.close(descriptor)


def spawn_piped(argv: Sequence[str], environment: Mapping[str, str]) -> PipedChild:
    """Start a program that dies with this process, as `spawn` does, with its output in a pipe.

    Raises OSError when no process can be created, and RuntimeError outside the main thread.
    """
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": dict(environment), "umask": 0o077}
    return PipedChild(_spawn(argv, **how))


def spawn_sharing(argv: Sequence[str]) -> Child:
    """Start a program that dies with this process and shares its output and environment.

    Raises OSError when no process can be created, and RuntimeError outside the main thread.
    """
    return Child(_spawn(argv))


def spawn_interactive(argv: Sequence[str], environment: Mapping[str, str]) -> InteractiveChild:
    """Start a program that answers line by line; its errors go to this process's standard error.

    Any thread may call this: the program detects monitord's exit by EOF on stdin, not by a signal. Raises
    OSError when no process can be created.
    """
    process = subprocess.Popen(  # the handle outlives this function
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(environment),
        # It stays in this Unix session: if it is stopped when monitord dies, the kernel continues and ends it
        # (SIGCONT and SIGHUP to a process group that becomes orphaned).
        process_group=0,
    )
    return InteractiveChild(process)


def _spawn(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
    if threading.current_thread() is not threading.main_thread():
        # The kernel sends the parent-death signal when the *thread* that spawned the child ends.
        raise RuntimeError("children are spawned by the main thread: another thread's end would kill them")
    shim = (sys.executable, "-I", "-S", str(_EXEC_SHIM), str(os.getpid()))
    return subprocess.Popen(  # the handle outlives this function
        [*shim, *argv], stdin=subprocess.DEVNULL, start_new_session=True, **how
    )


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a child needs: no tokens, no proxies, none of Slurm's."""
    return {name: environment[name] for name in _PASSED_ON if name in environment}


def run_briefly(argv: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str]:
    """Run a program to its end; return its exit code and its output.

    Raises ChildError when it cannot be run, and PassingError when it cannot be run at this moment or takes
    longer than `seconds`.
    """
    try:
        completed = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PassingError(f"{argv[0]} was killed: it had not answered after {seconds:g} s") from None
    except OSError as error:
        kind = PassingError if is_passing(error) else ChildError
        raise kind(f"{argv[0]} cannot be run: {error.strerror}") from error
    return completed.returncode, completed.stdout.decode(errors="replace")


def spawn_detached(argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Child:
    """Start a program that outlives this process; its output replaces `log`.

    `environment` is its whole environment, this process's unless given.
    """
    with log.open("wb") as output:
        log.chmod(0o600)
        process = subprocess.Popen(  # the handle outlives this function
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return Child(process)


def run_attached(argv: Sequence[str]) -> int:
    """Run a user's command on this terminal; return its exit code as a shell would.

    That is 128 + N when signal N ended it, 127 when there is no such command, 126 when it cannot be run.
    SIGTERM and SIGHUP are passed on to the command, which decides how it ends.
    """
    sys.stdout.flush()
    relay = _Relay()
    with relay.installed():
        try:
            code = relay.to(subprocess.Popen(list(argv))).wait()
        except FileNotFoundError:
            sys.stderr.write(f"monitord: {argv[0]}: no such command\n")
            return 127
        except OSError as error:
            sys.stderr.write(f"monitord: {argv[0]}: {error.strerror}\n")
            return 126
    return code if code >= 0 else 128 - code


class _Relay:
    """Passes this process's signals on to another one, also those that came just before it was started."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def to(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        self._process = process
        for number in self._early:
            process.send_signal(number)
        return process

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGINT, SIGTERM and SIGHUP, except those that are ignored, as under nohup."""
        # A terminal sends SIGINT to the command as well, and its exit code decides. SIGINT must not raise
        # here: an exception just after waitpid() would lose the exit code, which then reads 0.
        actions = {signal.SIGINT: lambda *_: None, signal.SIGTERM: self._send, signal.SIGHUP: self._send}
        before = {number: signal.getsignal(number) for number in actions}
        for number, action in actions.items():
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, action)
        try:
            yield
        finally:
            for number, earlier in before.items():
                signal.signal(number, earlier)

    def _send(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)
