"""Cycles of chains, against what can be counted by hand."""

import pytest

from htaflow.hw.stream.schedule import EMIT, PASS, REGISTER, TAKE, Pipeline, Step, schedule


def gather(count):
    return Pipeline([TAKE] * (count - 1) + [PASS])


def scatter(count):
    return Pipeline([PASS] + [EMIT] * (count - 1))


def test_registers_take_a_cycle_each_and_hold_a_frame_each():
    cycles = schedule([REGISTER] * 5)
    assert (cycles.latency, cycles.interval, cycles.held) == (5, 1, 5)
    assert [passage.done for passage in cycles.passages] == [1, 2, 3, 4, 5]


def test_a_frame_of_beats_takes_a_cycle_a_beat():
    cycles = schedule([gather(7), REGISTER])
    assert (cycles.latency, cycles.interval) == (8, 7)
    assert cycles.held == 2  # one in each


def test_an_image_passes_pixel_by_pixel():
    cycles = schedule([REGISTER, scatter(6), REGISTER, gather(6), REGISTER])
    # Into the encoder and out, then pixels 0 to 5, each a cycle in each of three registers.
    assert [passage.done for passage in cycles.passages] == [1, 7, 8, 9, 10]
    assert [passage.transfers for passage in cycles.passages] == [1, 6, 6, 1, 1]
    assert [passage.busy for passage in cycles.passages] == [1, 6, 6, 6, 1]
    assert cycles.interval == 6


@pytest.mark.parametrize(("beats", "interval"), [(1, 9), (9, 9), (20, 20)])
def test_the_slowest_gives_the_pace(beats, interval):
    assert schedule([gather(beats), scatter(9), gather(9)]).interval == interval


def test_what_does_not_fit_together_costs_more_than_the_slowest():
    # Four pixels in a row, then a pause of two; behind it a pause of three after every third pixel.
    pause = Step(waits=False, takes=False, emits=False)
    front = Pipeline([PASS] * 4 + [pause] * 2)
    back = Pipeline([PASS] * 3 + [pause] * 3)
    cycles = schedule([scatter(12), front, back, gather(12)])
    assert [passage.busy for passage in cycles.passages] == [12, 18, 24, 12]
    assert cycles.interval > 24
