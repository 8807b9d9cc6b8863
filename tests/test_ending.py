import signal
import threading

import pytest

from htaflow.flows.ending import EndedError, ending_cleanly
from htaflow.model.process import held_back


def test_a_signal_waits_for_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(EndedError), ending_cleanly():
        with held_back():
            signal.raise_signal(signal.SIGTERM)
            done.append("in the block")
        done.append("after it")
    assert done == ["in the block"]


def test_ctrl_c_waits_too_and_comes_once() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = []
    try:
        with pytest.raises(KeyboardInterrupt), held_back():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("in the block")
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["in the block"]


def test_without_a_signal_nothing_happens() -> None:
    with held_back():
        pass


def test_other_threads_get_no_signals_to_hold_back() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with held_back():
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
