import signal
import threading

import pytest

from htaflow.model.support.process import deferred_signals
from htaflow.model.support.signals import TerminatedError, clean_exit_on_signals


def test_a_signal_waits_for_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(TerminatedError), clean_exit_on_signals():
        with deferred_signals():
            signal.raise_signal(signal.SIGTERM)
            done.append("in the block")
        done.append("after it")
    assert done == ["in the block"]


def test_ctrl_c_waits_too_and_comes_once() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = []
    try:
        with pytest.raises(KeyboardInterrupt), deferred_signals():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("in the block")
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["in the block"]


def test_without_a_signal_nothing_happens() -> None:
    with deferred_signals():
        pass


def test_other_threads_get_no_signals_to_hold_back() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with deferred_signals():
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
