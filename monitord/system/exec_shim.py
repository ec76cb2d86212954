"""Become another program that dies with its parent; run by path, `python -I -S`, not imported.

usage: exec_shim.py PARENT_PID PROGRAM [ARGUMENT…]

This runs between fork and exec, where a daemon with threads may not run Python of its own
(`preexec_fn` can deadlock on a lock that another thread held). The process id stays the same
across exec, so the parent's handle is the program's.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_ORPHANED = 125
EXIT_NOT_FOUND = 127


def main() -> int:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    # KILL, not TERM: a stopped or hung program must not outlive the daemon either.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.stderr.write(f"monitord: prctl: {os.strerror(ctypes.get_errno())}\n")
        return EXIT_ORPHANED
    if os.getppid() != parent:
        return EXIT_ORPHANED  # it died before the signal was asked for, which then never comes
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a mask survives exec; the program expects none
    try:
        os.execv(program[0], program)  # noqa: S606 (a shell is what it must not go through)
    except OSError as error:
        sys.stderr.write(f"monitord: cannot run {program[0]}: {error.strerror}\n")
    return EXIT_NOT_FOUND


if __name__ == "__main__":
    raise SystemExit(main())
