"""Become another program that dies with its parent. It is run by path, `python -I -S`, and not imported.

usage: exec_shim.py PARENT_PID PROGRAM [ARGUMENT…]

It runs between fork and exec, where a process with threads must not run Python code (`preexec_fn` can
deadlock on a lock that another thread held). exec keeps the process id, so the parent's handle is also the
program's.
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
    # SIGKILL, not SIGTERM: a stopped or hung program must not outlive the daemon either.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.stderr.write(f"monitord: prctl: {os.strerror(ctypes.get_errno())}\n")
        return EXIT_ORPHANED
    if os.getppid() != parent:
        return EXIT_ORPHANED  # the parent died before prctl, so that the signal will never come
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # exec keeps the mask; the program expects an empty one
    try:
        os.execv(program[0], program)  # noqa: S606 (a shell is what it must not go through)
    except OSError as error:
        sys.stderr.write(f"monitord: cannot run {program[0]}: {error.strerror}\n")
    return EXIT_NOT_FOUND


if __name__ == "__main__":
    raise SystemExit(main())
