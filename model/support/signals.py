"""Ended from outside: what ``kill`` or a closed terminal asks for is cleaned up like Ctrl-C."""

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def suppress_warnings() -> None:
    """Suppress warnings about objects that an interrupt left unfinished."""
    warnings.simplefilter("ignore")


class TerminatedError(KeyboardInterrupt):
    """The process was told to end. It is handled as Ctrl-C is."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def clean_exit_on_signals() -> Iterator[None]:
    """Raise :class:`TerminatedError` for SIGTERM and SIGHUP: tools run in groups of their own.

    Without it they would go on after their parent. A signal that is ignored (as under ``nohup``)
    stays ignored. Only Python's main thread gets signals; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # a second one must not stop the clean-up
        raise TerminatedError(number)

    before = {each: signal.getsignal(each) for each in _SIGNALS}
    try:
        for each, handler in before.items():
            if handler == signal.SIG_DFL:
                signal.signal(each, end)
        yield
    finally:
        for each, handler in before.items():
            if handler is not None:  # one that was not set by Python cannot be put back
                signal.signal(each, handler)
