import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.netlist import FALSE, MAX_TABLE_INPUTS, TRUE, Logic
from htaflow.hw.logic.sums.neuron import neuron, threshold_table
from htaflow.hw.logic.sums.popcount import at_least, greater_or_equal, popcount, popcount_module
from htaflow.hw.logic.verilog import all_modules, module_verilog


def every_input(count: int) -> np.ndarray:
    return np.array(list(itertools.product([False, True], repeat=count)))


@st.composite
def random_tables(draw: st.DrawFn) -> tuple[int, list[tuple[int, list[int]]]]:
    inputs = draw(st.integers(1, 5))
    tables = []
    for index in range(draw(st.integers(1, 8))):
        sources = draw(st.lists(st.integers(0, 1 + inputs + index), max_size=MAX_TABLE_INPUTS))
        tables.append((draw(st.integers(0, (1 << (1 << len(sources))) - 1)), sources))
    return inputs, tables


@given(random_tables())
def test_simplified_tables_compute_what_was_asked(case: tuple) -> None:
    inputs, tables = case
    logic = Logic("f", inputs)
    nets = [FALSE, TRUE, *logic.inputs]
    bits = every_input(inputs)
    expected = [np.zeros(len(bits), bool), np.ones(len(bits), bool), *bits.T]
    for table, sources in tables:
        nets.append(logic.table(table, [nets[source] for source in sources]))
        index = sum(expected[source].astype(int) << k for k, source in enumerate(sources))
        expected.append(np.array([bool(table >> int(i) & 1) for i in index + 0 * bits[:, 0]]))
    logic.outputs = nets
    assert np.array_equal(evaluate(logic, bits), np.stack(expected, axis=1))


def test_equal_tables_are_built_once() -> None:
    logic = Logic("f", 2)
    a, b = logic.inputs
    assert logic.table(0b1000, [a, b]) == logic.table(0b1000, [a, b])
    assert logic.table_count == 1


@pytest.mark.parametrize("count", range(1, 10))
def test_popcount_counts_every_input(count: int) -> None:
    logic = Logic("f", count)
    logic.outputs = popcount(logic, logic.inputs)
    assert len(logic.outputs) == count.bit_length()
    bits = every_input(count)
    numbers = evaluate(logic, bits) @ (1 << np.arange(len(logic.outputs)))
    assert np.array_equal(numbers, bits.sum(axis=1))


@pytest.mark.parametrize("width", range(1, 5))
def test_comparisons_hold_for_every_number(width: int) -> None:
    bits = every_input(2 * width)
    a, b = bits[:, :width] @ (1 << np.arange(width)), bits[:, width:] @ (1 << np.arange(width))
    logic = Logic("f", 2 * width)
    nets = list(logic.inputs)
    thresholds = range(-1, (1 << width) + 2)
    logic.outputs = [at_least(logic, nets[:width], threshold) for threshold in thresholds]
    logic.outputs.append(greater_or_equal(logic, nets[:width], nets[width:]))
    results = evaluate(logic, bits)
    for column, threshold in enumerate(thresholds):
        assert np.array_equal(results[:, column], a >= threshold)
    assert np.array_equal(results[:, -1], a >= b)


@given(
    st.integers(1, 9).flatmap(
        lambda k: st.tuples(st.lists(st.booleans(), min_size=k, max_size=k), st.integers(-1, k + 2))
    )
)
def test_a_neuron_is_its_integer_definition(case: tuple[list[bool], int]) -> None:
    flip, threshold = case
    logic = Logic("f", len(flip))
    logic.outputs = [neuron(logic, list(logic.inputs), flip, threshold)]
    bits = every_input(len(flip))
    expected = (bits ^ np.array(flip)).sum(axis=1) >= threshold
    assert np.array_equal(evaluate(logic, bits)[:, 0], expected)


def test_wide_neurons_share_one_popcount_module() -> None:
    rng = np.random.default_rng(0)
    logic = Logic("f", 80)
    flips = rng.integers(0, 2, (3, 80)).astype(bool)
    logic.outputs = [neuron(logic, list(logic.inputs), flip.tolist(), 41) for flip in flips]
    assert set(all_modules(logic)) == {"f", "popcount_80"}
    assert all_modules(logic)["popcount_80"] == module_verilog(popcount_module(80))
    bits = rng.integers(0, 2, (200, 80)).astype(bool)
    expected = np.stack([(bits ^ flip).sum(axis=1) >= 41 for flip in flips], axis=1)
    assert np.array_equal(evaluate(logic, bits), expected)


def test_threshold_table_of_a_majority() -> None:
    assert threshold_table(3, 0, 2) == 0xE8


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one input, not 0"):
        Logic("f", 0)
    logic = Logic("f", 8)
    with pytest.raises(ValueError, match="at most 6 inputs, not 7"):
        logic.table(0, list(logic.inputs)[:7])
    with pytest.raises(ValueError, match="bits must be"):
        evaluate(logic, np.zeros((3, 7), bool))
