import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge, TooManyNodesError

VARIABLES = 5


def truth(bdd: Bdd, f: Edge) -> int:
    """The value of ``f`` for each assignment, as a number."""
    return sum(
        bdd.value(f, lambda var, row=row: bool(row >> var & 1)) << row
        for row in range(1 << VARIABLES)
    )


def grow(bdd: Bdd, draw: random.Random, size: int) -> tuple[Edge, int]:
    """A random function, and its truth table computed without diagrams."""
    full = (1 << (1 << VARIABLES)) - 1
    columns = [
        sum((row >> var & 1) << row for row in range(1 << VARIABLES)) for var in range(VARIABLES)
    ]
    pool = [(bdd.var(var), columns[var]) for var in range(VARIABLES)]
    pool += [(FALSE, 0), (TRUE, full)]
    for _ in range(size):
        (f, a), (g, b), (h, c) = (draw.choice(pool) for _ in range(3))
        pool.append(
            draw.choice(
                [
                    (bdd.conj(f, g), a & b),
                    (bdd.disj(f, g), a | b),
                    (bdd.xor(f, g), a ^ b),
                    (bdd.invert(f), full ^ a),
                    (bdd.mux(f, g, h), a & c | full & ~a & b),
                ]
            )
        )
    return pool[-1]


@given(st.integers(0, 1 << 32))
def test_equal_functions_are_the_same_number_and_others_are_not(seed: int) -> None:
    bdd, draw = Bdd(), random.Random(seed)
    (f, a), (g, b) = grow(bdd, draw, 12), grow(bdd, draw, 12)
    assert (truth(bdd, f), truth(bdd, g)) == (a, b)
    assert (f == g) == (a == b)
    if f != FALSE:
        found = bdd.example(f)
        assert bdd.value(f, lambda var: found.get(var, False))
    assert bdd.support(f) == {
        var
        for var in range(VARIABLES)
        if any((a >> row ^ a >> (row ^ 1 << var)) & 1 for row in range(1 << VARIABLES))
    }
    every = bdd.forall(2, f)
    assert truth(bdd, every) == sum(
        (a >> (row & ~4) & a >> (row | 4) & 1) << row for row in range(1 << VARIABLES)
    )


@given(
    st.lists(st.tuples(st.integers(0, VARIABLES - 1), st.integers(-9, 9), st.booleans())),
    st.integers(-9, 9),
    st.integers(-20, 20),
)
def test_a_sum_is_that_of_its_literals(
    terms: list[tuple[int, int, bool]], constant: int, threshold: int
) -> None:
    bdd = Bdd()
    literals = [(bdd.var(var) ^ int(flip), weight) for var, weight, flip in terms]
    f = bdd.of_sum(literals, constant, lambda total: int(total >= threshold))
    for row in range(1 << VARIABLES):
        total = constant + sum(w * ((row >> var & 1) ^ flip) for var, w, flip in terms)
        assert bdd.value(f, lambda var, row=row: bool(row >> var & 1)) == (total >= threshold)


@given(st.integers(0, (1 << 16) - 1), st.permutations(range(4)))
def test_a_table_reads_its_inputs_lowest_first(table: int, order: list[int]) -> None:
    bdd = Bdd()
    f = bdd.table(table, [bdd.var(var) for var in order])
    for row in range(16):
        index = sum((row >> var & 1) << place for place, var in enumerate(order))
        assert bdd.value(f, lambda var, row=row: bool(row >> var & 1)) == bool(table >> index & 1)


def multiply(bdd: Bdd, bits: int) -> list[Edge]:
    """A product, whose middle bits have large diagrams in any order."""
    a, b = ([bdd.var(2 * place + word) for place in range(bits)] for word in range(2))
    rows: Callable[[int], list[Edge]] = lambda k: [bdd.conj(a[k], bit) for bit in b]  # noqa: E731
    total = rows(0) + [FALSE] * bits
    for k in range(1, bits):
        carry = FALSE
        for place, bit in enumerate([*rows(k), FALSE]):
            x = total[k + place]
            total[k + place] = bdd.xor(bdd.xor(x, bit), carry)
            carry = bdd.disj(bdd.conj(x, bit), bdd.conj(carry, bdd.xor(x, bit)))
    return total


def test_a_function_that_is_too_large_is_refused() -> None:
    with pytest.raises(TooManyNodesError, match="more than 2000 nodes"):
        multiply(Bdd(2000), 12)


def test_a_sum_of_too_many_values_is_refused() -> None:
    bdd = Bdd(2000)
    with pytest.raises(TooManyNodesError, match="more than 2000 values"):
        bdd.of_sum([(bdd.var(bit), 1 << bit) for bit in range(12)], 0, lambda total: total & 1)


def test_sums_of_functions_are_refused() -> None:
    bdd = Bdd()
    with pytest.raises(ValueError, match="of variables"):
        bdd.of_sum([(bdd.conj(bdd.var(0), bdd.var(1)), 1)], 0, lambda total: total)
