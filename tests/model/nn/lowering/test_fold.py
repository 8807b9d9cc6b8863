from fractions import Fraction
from math import isqrt

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from htaflow.model.nn.lowering.fold import Normalisation, fold, fold_layer

# Few digits, so that ties, where a rounding error would change a bit, are common.
coarse = st.integers(-40, 40).map(lambda n: Fraction(n, 4))
anything = st.floats(-100, 100, width=32).map(Fraction)
numbers = coarse | anything
variances = st.sampled_from([Fraction(1, 16), Fraction(1), Fraction(4), Fraction(9, 4)]) | (
    st.floats(0, 400, width=32).map(lambda v: Fraction(v) + Fraction(1e-5))
)
normalisations = st.builds(Normalisation, numbers, variances, numbers, numbers)
bounds = st.tuples(st.integers(-30, 30), st.integers(0, 40)).map(lambda b: (b[0], b[0] + b[1]))


def rational_fires(n: Normalisation, acc: int) -> bool:
    """The definition, with the square root enclosed ever more tightly until it decides."""
    scaled = n.scale * (acc - n.mean)
    digits = 20
    while True:
        ten = 10**digits
        floor = Fraction(isqrt(int(n.variance * ten * ten)), ten)
        if floor * floor == n.variance:
            return scaled + n.shift * floor >= 0
        if n.shift == 0:
            return scaled >= 0
        ends = {scaled + n.shift * root >= 0 for root in (floor, floor + Fraction(1, ten))}
        if len(ends) == 1:
            return ends.pop()
        digits *= 2


@given(normalisations, bounds)
@example(Normalisation(Fraction(3), Fraction(4), Fraction(1), Fraction(0)), (-5, 5))
@example(Normalisation(Fraction(3), Fraction(4), Fraction(-1), Fraction(0)), (-5, 5))
@example(Normalisation(Fraction(1), Fraction(9), Fraction(1), Fraction(-1)), (-9, 9))
@example(Normalisation(Fraction(1), Fraction(9), Fraction(-1), Fraction(1)), (-9, 9))
@example(Normalisation(Fraction(1), Fraction(9), Fraction(0), Fraction(0)), (-9, 9))
@example(Normalisation(Fraction(1), Fraction(9), Fraction(0), Fraction(-1)), (-9, 9))
def test_folded_bit_is_the_exact_decision_for_every_sum(normalisation, limits):
    low, high = limits
    threshold, flip = fold(normalisation, low, high)
    ends = (-high, -low + 1) if flip else (low, high + 1)
    assert ends[0] <= threshold <= ends[1]
    for acc in range(low, high + 1):
        bit = (-acc if flip else acc) >= threshold
        assert bit == normalisation.fires(acc) == rational_fires(normalisation, acc)


@given(normalisations)
def test_negated_normalisation_decides_the_same_of_the_negated_sum(normalisation):
    for acc in range(-12, 13):
        assert normalisation.fires(acc) == normalisation.negated.fires(-acc)


@given(st.lists(st.tuples(numbers, variances, numbers, numbers), min_size=1, max_size=8))
def test_double_precision_decides_the_same(rows):
    mean, variance, scale, shift = (
        torch.tensor([float(value) for value in column], dtype=torch.float64)
        for column in zip(*rows, strict=True)
    )
    sums = torch.arange(-20, 21, dtype=torch.float64)[:, None]
    bits = scale * (sums - mean) / torch.sqrt(variance) + shift >= 0
    for n in range(len(rows)):
        exact = Normalisation(*(Fraction(float(c[n])) for c in (mean, variance, scale, shift)))
        assert bits[:, n].tolist() == [exact.fires(acc) for acc in range(-20, 21)]


huge_and_tiny = st.floats(allow_nan=False, allow_infinity=False)
doubles = st.integers(-40, 40).map(lambda n: n / 4) | st.floats(-100, 100) | huge_and_tiny


@given(
    st.lists(st.tuples(doubles, doubles.map(abs), doubles, doubles, bounds), min_size=1),
    st.sampled_from([1e-5, 0.25, 5e-324]),
)
@example([(0.0, 0.25, 5e-324, 5e-324, (-9, 9))], 5e-324)
@example([(1.0, 3.75, 1.0, 1e308, (-9, 9)), (3.0, 0.0, -1.0, 0.0, (-9, 9))], 0.25)
def test_a_layer_folds_as_its_neurons_do(rows, epsilon):
    *columns, limits = zip(*rows, strict=True)
    mean, variance, scale, shift = (np.array(column) for column in columns)
    low, high = np.array(limits).T
    thresholds, flips = fold_layer(mean, variance, epsilon, scale, shift, low, high)
    for n, (m, v, a, b, (least, most)) in enumerate(rows):
        exact = Normalisation(
            Fraction(m), Fraction(v) + Fraction(epsilon), Fraction(a), Fraction(b)
        )
        assert (thresholds[n], flips[n]) == fold(exact, least, most)


@given(st.integers(0, 2**32 - 1))
def test_a_layer_of_borders_next_to_integers_folds_exactly(seed):
    rng = np.random.default_rng(seed)
    count = 40
    variance = rng.integers(1, 9, count) ** 2 / 4.0
    scale = rng.choice([-2.0, -0.5, 1.0, 3.0], count)
    shift = scale * rng.integers(-4, 5, count) / np.sqrt(variance)
    mean = rng.integers(-4, 5, count) + rng.integers(-2, 3, count) * 2.0**-51
    limits = np.full(count, -9), np.full(count, 9)
    thresholds, flips = fold_layer(mean, variance - 0.25, 0.25, scale, shift, *limits)
    for n in range(count):
        exact = Normalisation(*(Fraction(c[n]) for c in (mean, variance, scale, shift)))
        assert (thresholds[n], flips[n]) == fold(exact, -9, 9)
