"""Other programs: run under limits, and gone when this process is, however it ends."""

import math
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from htaflow.model.support.files import with_path
from htaflow.model.support.supervisor import CANNOT_RUN

LOG_LIMIT = 256 << 20
"""Bytes that a program may print: far more than any does that is well."""

_SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
_PIECE = 1 << 16
_ASK_SECONDS = 60
_END_SECONDS = 5
_LOOK_SECONDS = 1.0  # how soon an end is seen that leaves the output open


@dataclass(frozen=True)
class ProcessResult:
    """How a program ended.

    ``code`` is its exit code, or the negative number of the signal that ended it. ``overrun`` says
    which limit it passed, if it was killed for that.
    """

    code: int
    overrun: Literal["time", "quiet", "log"] | None = None


def run_process(
    command: Sequence[str],
    *,
    folder: Path,
    log: Path,
    timeout: float | None,
    quiet: float | None = None,
    heading: str = "",
    environment: Mapping[str, str] | None = None,
    on_output: Callable[[bytes], float | None] | None = None,
) -> ProcessResult:
    """Run ``command`` in ``folder``, with what it prints in the file ``log``.

    It is killed, with all that it started, when it passes a limit, when the call is interrupted and
    when this process ends, even by ``kill -9``. One that cannot be run has the code 127, and the
    log says why.

    Args:
        command: the program and its arguments.
        folder: in which it runs.
        log: gets ``heading`` and then what the program prints, :data:`LOG_LIMIT` bytes at most.
        timeout: seconds that it may take, or None.
        quiet: seconds that it may go without printing, or None.
        heading: what the log begins with.
        environment: all its environment variables; by default those of this process.
        on_output: is given what it prints, in pieces, as they come; returns ``quiet`` from then on.

    Raises ``OSError``, with the log's name, when the log cannot be written.
    """
    with (
        log_file(log) as write,
        supervised(command, folder=folder, environment=environment) as process,
    ):
        write(heading.encode())
        return _follow(process, write, timeout, quiet, on_output)


def ask(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float = _ASK_SECONDS,
) -> bytes | None:
    """Return what ``command`` prints, such as its version: the first 64 KiB of it.

    ``None`` if it cannot be run or has not ended, nor printed so much, within ``timeout`` seconds.
    """
    said = b""
    with (
        supervised(command, environment=environment) as process,
        selectors.DefaultSelector() as selector,
    ):
        assert process.stdout is not None
        selector.register(process.stdout, selectors.EVENT_READ)
        end = time.monotonic() + timeout
        while len(said) < _PIECE:
            if not selector.select(max(0.0, end - time.monotonic())):
                return None
            data = os.read(process.stdout.fileno(), _PIECE)
            if not data:
                return None if process.wait() == CANNOT_RUN else said
            said += data
    return said


@contextmanager
def log_file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that writes to the new file ``path``, at once; its errors name the file."""
    with with_path(path), path.open("wb", buffering=0) as file:

        def write(data: bytes) -> None:
            with with_path(path):
                while data:
                    data = data[file.write(data) :]

        yield write


def _follow(
    process: subprocess.Popen[bytes],
    write: Callable[[bytes], None],
    timeout: float | None,
    quiet: float | None,
    on_output: Callable[[bytes], float | None] | None,
) -> ProcessResult:
    """Pass on what ``process`` prints until it ends or passes a limit."""
    assert process.stdout is not None
    begun = heard = time.monotonic()
    limit = math.inf if timeout is None else timeout
    left = LOG_LIMIT
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            if now > begun + limit:
                return ProcessResult(-signal.SIGKILL, "time")
            end = begun + limit
            if quiet is not None:
                if now > heard + quiet:
                    return ProcessResult(-signal.SIGKILL, "quiet")
                end = min(end, heard + quiet)
            if not selector.select(min(max(0.01, end - now), _LOOK_SECONDS)):
                if process.poll() is not None:  # something that it started holds its output open
                    return ProcessResult(process.returncode)
                continue
            data = os.read(process.stdout.fileno(), _PIECE)
            if not data:
                break
            heard = time.monotonic()
            write(data[:left])
            if len(data) > left:
                return ProcessResult(-signal.SIGKILL, "log")
            left -= len(data)
            if on_output is not None:
                quiet = on_output(data)
    try:
        left_seconds = None if timeout is None else max(1.0, begun + timeout - time.monotonic())
        return ProcessResult(process.wait(left_seconds))
    except subprocess.TimeoutExpired:
        return ProcessResult(-signal.SIGKILL, "time")


@contextmanager
def supervised(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = subprocess.STDOUT,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start ``command``, its output a pipe; it and all that it started end with the block.

    They also end with this process, even by ``kill -9``: what is started is
    :mod:`htaflow.model.support.supervisor`, which runs the command and passes SIGTERM on to it.
    """
    told, tell = os.pipe()
    process: subprocess.Popen[bytes] | None = None
    with os.fdopen(told, "rb") as group:
        try:
            with deferred_signals():
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", _SUPERVISOR, str(tell), *command],
                    cwd=folder,
                    env=None if environment is None else dict(environment),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    pass_fds=(tell,),
                    start_new_session=True,
                )
                os.close(tell)
            yield process
        finally:
            if process is None:
                os.close(tell)
            else:
                _release(process, group)


def _release(process: subprocess.Popen[bytes], group: IO[bytes]) -> None:
    """End what a leash holds, and the leash."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:  # what it holds does not die: it waits for a device
        process.kill()
    with process:
        pass
    if process.returncode == -signal.SIGKILL and (number := group.read()):
        # Perhaps it was the leash that was killed.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(int(number), signal.SIGKILL)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Let signals that end the process, Ctrl-C among them, come only when the block is done.

    For the start of a program: between the start and its being known, nothing could end it. Only
    Python's main thread gets signals; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.getsignal(each) for each in ending}
    handled = {each: handler for each, handler in before.items() if callable(handler)}
    for each in handled:
        signal.signal(each, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        for each, handler in handled.items():
            signal.signal(each, handler)
        for number in waiting[:1]:
            signal.raise_signal(number)
