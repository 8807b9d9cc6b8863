"""Runs a command that must not outlive whoever asked for it: ``python leash.py FD COMMAND ...``.

Standard input is the leash: while its other end is open, all is well; when it closes, however its
owner ended (by ``kill -9``, say), the command and all that it started are killed. They are a
process group of their own, whose number is written to file descriptor FD. SIGTERM is passed on to
it. The exit code, or the signal that ended it, is the command's own.

Started as a file, by :mod:`htaflow.model.support.process`, without site packages: it must start
fast.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading

CANNOT_RUN = 127


def main(number: int, command: list[str]) -> int:
    """Run ``command`` and return its exit code, or end by the signal that ended it."""
    group = 0
    terminated = False

    def terminate(*_: object) -> None:
        nonlocal terminated
        terminated = True
        if group:
            _signal(group, signal.SIGTERM)

    signal.signal(signal.SIGTERM, terminate)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        sys.stderr.write(f"error: {command[0]} cannot be run: {error}\n")
        return CANNOT_RUN
    group = child.pid
    os.write(number, b"%d" % group)
    threading.Thread(target=_watch, args=(group,), daemon=True).start()
    if terminated:  # before there was anybody to tell
        _signal(group, signal.SIGTERM)
    code = child.wait()
    _signal(group, signal.SIGKILL)  # what it left running
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command's own is the one to look at
        with contextlib.suppress(OSError):  # SIGKILL has no handler to take away
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _watch(group: int) -> None:
    """Kill the process group when the leash is let go."""
    while os.read(0, 1):
        pass
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
