"""Counting the thresholds that a number reaches: each way is right for every number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.sums import levels
from htaflow.hw.logic.sums.levels import find_ramp, levels_reached
from htaflow.hw.logic.target import TARGETS


@st.composite
def evenly_spaced(draw: st.DrawFn) -> list[int]:
    start, step = draw(st.integers(-20, 300)), draw(st.fractions(0, 40, max_denominator=64))
    return [int(np.ceil(start + step * k)) for k in range(draw(st.integers(1, 255)))]


def anywhere() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(-5, 600), min_size=1, max_size=40).map(sorted)


WAYS = {
    "each": levels._compare_each,
    "search": levels._search,
    "scale": levels._scale,
    "smallest": levels_reached,
}


@pytest.mark.parametrize("target", ["portable", "ice40", "xilinx"])
@pytest.mark.parametrize("way", WAYS)
@given(thresholds=st.one_of(anywhere(), evenly_spaced()), width=st.integers(1, 9))
def test_every_number_gives_as_many_levels_as_thresholds_it_reaches(
    way: str, target: str, thresholds: list[int], width: int
) -> None:
    logic = Logic("levels", width, TARGETS[target])
    clipped = tuple(min(max(threshold, 0), 1 << width) for threshold in thresholds)
    outputs = WAYS[way](logic, list(logic.inputs), clipped)
    if outputs is None:
        assert way == "scale"
        return
    logic.outputs = outputs
    assert len(outputs) == len(thresholds).bit_length()
    numbers = np.arange(1 << width)
    got = evaluate(logic, (numbers[:, None] >> np.arange(width) & 1).astype(np.bool_))
    counted = (numbers[:, None] >= np.array(thresholds)).sum(axis=1)
    assert (got @ (1 << np.arange(len(outputs)))).tolist() == counted.tolist()


@given(thresholds=evenly_spaced(), high=st.integers(0, 1000))
def test_a_ramp_is_the_count_or_there_is_none(thresholds: list[int], high: int) -> None:
    ramp = find_ramp(tuple(thresholds), high)
    if ramp is not None:
        for number in range(high + 1):
            counted = sum(number >= threshold for threshold in thresholds)
            assert min(max(ramp.at(number), 0), len(thresholds)) == counted


def test_many_even_levels_are_a_multiplication_and_many_uneven_ones_a_search() -> None:
    even = tuple(10 + 3 * k for k in range(255))
    uneven = tuple(k * k // 32 for k in range(255))
    target = TARGETS["ecp5"]
    assert levels._ranked(11, even, target)[0] is levels._scale
    assert levels._ranked(11, uneven, target)[0] is levels._search
    assert levels._ranked(11, (5, 9, 11), target)[0] is levels._compare_each
