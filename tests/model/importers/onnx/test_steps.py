"""Steps: what they make of a number, and backwards, are the same function."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.custom_op.general.intquant import resolve_rounding_mode

from htaflow.model.importers.onnx.exact import common_divisor, exact, root
from htaflow.model.importers.onnx.steps import (
    ROUNDING,
    Affine,
    Bound,
    Clamp,
    Count,
    Round,
    Sign,
    Step,
    back,
    forth,
)

numbers = st.fractions(-20, 20, max_denominator=8)


def affine() -> st.SearchStrategy[Step]:
    return st.builds(lambda a, b: Affine((a,), (b,)), numbers, numbers)


def count() -> st.SearchStrategy[Step]:
    rows = st.lists(numbers, min_size=1, max_size=5).map(lambda row: (tuple(sorted(row)),))
    return st.builds(Count, rows, st.booleans())


steps = st.lists(
    st.one_of(
        affine(),
        st.builds(lambda a, b: Clamp(min(a, b), max(a, b)), numbers, numbers),
        st.builds(Clamp, numbers, st.none()),
        st.builds(Round, st.sampled_from(ROUNDING)),
        st.just(Sign()),
        count(),
    ),
    max_size=4,
)


@given(steps, numbers, st.builds(Bound, numbers, st.booleans(), st.booleans()))
def test_a_bound_taken_backwards_holds_where_it_holds_forwards(
    chain: list[Step], number: Fraction, bound: Bound
) -> None:
    found = back(chain, bound, 0)
    before = found if isinstance(found, bool) else found.holds(number)
    assert before == bound.holds(forth(chain, number, 0))


@given(st.builds(Bound, numbers, st.booleans(), st.booleans()))
def test_the_integer_of_a_bound_is_its_first_or_last(bound: Bound) -> None:
    first = bound.integer
    assert bound.holds(Fraction(first))
    assert not bound.holds(Fraction(first + (1 if bound.below else -1)))
    assert not bound.complement.holds(Fraction(first))


@pytest.mark.parametrize("mode", ROUNDING)
@given(number=st.integers(-40, 40).map(lambda n: Fraction(n, 4)))
def test_rounding_is_that_of_qonnx(mode: str, number: Fraction) -> None:
    assert forth([Round(mode)], number, 0) == int(resolve_rounding_mode(mode)(float(number)))


def test_floats_are_taken_exactly_and_roots_where_they_are_rational() -> None:
    assert exact([0.1]) == (Fraction(3602879701896397, 36028797018963968),)
    assert root(Fraction(9, 16)) == Fraction(3, 4)
    assert abs(root(Fraction(2)) ** 2 - 2) < Fraction(1, 1 << 250)


def test_a_common_divisor_is_the_largest() -> None:
    assert common_divisor([Fraction(3, 4), Fraction(-1, 2), Fraction(0)]) == Fraction(1, 4)
    assert common_divisor([]) == 0
