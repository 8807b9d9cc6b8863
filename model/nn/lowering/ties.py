"""Ties in double precision: where rounding may have lost a sign, exact numbers find it.

Numbers of single precision leave double precision room enough: a product of two is exact. Those of
a model that is itself in double precision do not, and a sum near 0 may round to the wrong side.
"""

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

from htaflow.model.nn.lowering.fold import Normalisation

_ROUNDING = 2.0**-49
"""More than the share of its terms by which a sum of a few products can be off."""
_SMALLEST = 1e-290
"""Below this, a number may be too small to be held in full."""


def settle(
    values: Tensor,
    terms: Tensor,
    acc: Tensor,
    exact: Callable[[int], Normalisation],
    axis: int = 1,
) -> Tensor:
    """Return ``values``, each with the sign that exact numbers give it.

    Args:
        values: what neurons compare with 0, in double precision.
        terms: the sums of their terms' magnitudes, of the same shape.
        acc: the weighted sums that they come from, of the same shape.
        exact: what happens to the weighted sums of a neuron, by its index.
        axis: the one along which the neurons lie.
    """
    doubtful = values.abs() <= terms * _ROUNDING + _SMALLEST
    if not doubtful.any():
        return values
    with torch.no_grad():
        pairs = torch.stack([doubtful.nonzero()[:, axis].double(), acc[doubtful]], dim=1)
        unique, places = torch.unique(pairs, dim=0, return_inverse=True)
        fires = [exact(int(n)).fires(Fraction(value)) for n, value in unique.tolist()]
        signs = values.new_tensor([1.0 if fired else -1.0 for fired in fires])[places]
    result = values.clone()
    tiny = torch.finfo(values.dtype).tiny
    result[doubtful] = values[doubtful].abs().clamp(min=tiny) * signs
    return result
