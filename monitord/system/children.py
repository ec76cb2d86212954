"""Child processes: the one door to subprocess for what the daemon and the demo run beside them.

A child started here is never left behind: it is killed by the kernel when monitord dies, however
it dies, or sees its standard input end. It has a process group of its own, so that a Ctrl-C or a signal to
monitord's process group is monitord's to answer, and stops its children in order.
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
    """Return the command that runs a module of monitord's in a Python of its own.

    Without -P, modules in the current folder would come first: anybody's who may write there.
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
        """Ask it to end. A stopped process keeps SIGTERM pending until it is continued."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it; it can neither catch nor postpone this."""
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
    """A child whose output is read from a pipe, both streams as one; whoever reads it closes it."""

    @property
    def output(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101  # `spawn_piped` makes it a pipe
        return self._process.stdout


class AskedChild(Child):
    """A child that reads lines from its standard input and answers with lines, and ends where that ends.

    That is how it notices monitord's end, too. One thread talks to it.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process)
        self._answered = b""

    def tell(self, line: bytes) -> None:
        """Send it a line; raises OSError when it has ended."""
        assert self._process.stdin is not None  # noqa: S101  # `spawn_asked` makes it a pipe
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def hear(self, seconds: float) -> bytes | None:
        """Return the next line that it sends, empty once it has ended, or None when none came in time."""
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
        """Have it end; any thread may."""
        assert self._process.stdin is not None  # noqa: S101  # likewise
        with suppress(OSError):  # it has ended, and did not read all that it was told
            self._process.stdin.close()

    def dismiss(self, seconds: float) -> None:
        """Have it end, by force once `seconds` have passed, and hear no more of it."""
        assert self._process.stdout is not None  # noqa: S101  # likewise
        self.end_input()
        if self.wait(seconds) is None:
            self.kill()
            self._process.wait()
        self._process.stdout.close()


def spawn(argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> Child:
    """Start a program that dies with this process; what it prints is appended to `log`.

    `argv[0]` is the program's absolute path, `environment` all it sees, and what it creates is its
    owner's alone. That a program cannot be executed shows as its exit with code 127 and a line in
    the log. Raises OSError when the log cannot be opened or no process can be made, and
    RuntimeError off the main thread.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        how = {"stdout": descriptor, "stderr": subprocess.STDOUT, "env": dict(environment), "umask": 0o077}
        return Child(_spawn(argv, **how))
    finally:
        os.close(descriptor)


def spawn_piped(argv: Sequence[str], environment: Mapping[str, str]) -> PipedChild:
    """Start a program that dies with this process, as `spawn` does, and read what it prints from a pipe.

    Raises OSError when no process can be made, and RuntimeError off the main thread.
    """
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": dict(environment), "umask": 0o077}
    return PipedChild(_spawn(argv, **how))


def spawn_sharing(argv: Sequence[str]) -> Child:
    """Start a program that dies with this process, with its output and all of its environment.

    Raises OSError when no process can be made, and RuntimeError off the main thread.
    """
    return Child(_spawn(argv))


def spawn_asked(argv: Sequence[str], environment: Mapping[str, str]) -> AskedChild:
    """Start a program that is asked by lines; its errors go where this process's do.

    Any thread may: not the kernel tells it of monitord's end, but its standard input. Raises OSError
    when no process can be made.
    """
    process = subprocess.Popen(  # the handle outlives this function
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(environment),
        # Not a session of its own: in this one, the kernel continues and ends it when it was stopped
        # as monitord died (SIGCONT and SIGHUP to a process group that becomes orphaned).
        process_group=0,
    )
    return AskedChild(process)


def _spawn(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
    if threading.current_thread() is not threading.main_thread():
        # The kernel sends the parent-death signal when the *thread* that spawned the child ends.
        raise RuntimeError("children are spawned from the main thread: another one's end would kill them")
    shim = (sys.executable, "-I", "-S", str(_EXEC_SHIM), str(os.getpid()))
    return subprocess.Popen(  # the handle outlives this function
        [*shim, *argv], stdin=subprocess.DEVNULL, start_new_session=True, **how
    )


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a child needs of an environment: no tokens, no proxies, nothing of Slurm's."""
    return {name: environment[name] for name in _PASSED_ON if name in environment}


def run_briefly(argv: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str]:
    """Run a program to its end; return its exit code and all that it printed.

    Raises ChildError when it cannot be run, and PassingError when it cannot be run at this moment, or took
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
    """Start a program that lives on when this process ends; what it prints replaces `log`.

    `environment` is all it sees, this process's unless given.
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

    128 + N when signal N ended it, 127 when there is no such command, 126 when it cannot be run.
    A signal to end that reaches only this process is passed on: the command decides how it ends.
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
    """Sends a process the signals that this one gets, also those from just before it was started."""

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
        """Handle SIGINT, SIGTERM and SIGHUP, but those that are ignored, as with nohup."""
        # A terminal sends SIGINT to the command as well: how that ends is what counts. No exception
        # may come of it here: raised just after waitpid(), it would lose the exit code, which then
        # reads 0.
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
