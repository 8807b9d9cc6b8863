"""Neurons of several levels: a staircase of HTAFs behind batch normalisation."""

import torch
from torch import Tensor

from htaflow.model.integer import network
from htaflow.model.integer.levels import MAX_LEVELS
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.block import Hidden
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.surrogates import Surrogate
from htaflow.model.support.arguments import checked

SPACING = 0.5
"""Distance of two steps in normalised sums; batch normalisation learns what it amounts to."""


class Staircase(Hidden):
    """Sums, batch normalisation, and a staircase of HTAFs: a layer of neurons of several levels.

    ``level = sum_k htaf(normalised - offset_k)`` with ``levels`` offsets, :data:`SPACING` apart and
    symmetric about 0: when hard, how many of them are reached. Each step has HTAF's gradient of its
    own. Input ``[N, in]``, output ``[N, out]`` from 0 to ``levels``. What follows takes integers up
    to ``levels``: an :class:`IntegerLinear` of that ``high``.
    """

    @checked
    def __init__(self, linear: IntegerLinear, activation: HTAF | Surrogate, levels: int) -> None:
        super().__init__(linear, activation)
        if not 2 <= levels <= MAX_LEVELS:
            raise ValueError(f"levels is {levels}; use 2 to {MAX_LEVELS}, or a Hidden for one")
        self.levels = levels

    @property
    def offsets(self) -> list[float]:
        """The normalised sums at which the levels are reached, ascending."""
        return [SPACING * (k - (self.levels - 1) / 2) for k in range(self.levels)]

    def activate(self, normalised: Tensor) -> Tensor:
        """Return the levels of normalised sums."""
        steps = [torch.as_tensor(self.activation(normalised - each)) for each in self.offsets]
        return torch.stack(steps).sum(dim=0)

    def active(self, acc: Tensor) -> Tensor:
        """Return the levels of sums, in evaluation: each step is decided as it is folded."""
        steps = [
            torch.as_tensor(self.activation(self.normalise(acc, -each))) for each in self.offsets
        ]
        return torch.stack(steps).sum(dim=0)

    def fold(self, name: str) -> network.Dense:
        """Return the neurons with a threshold for each level, exactly."""
        return self.folded(name, [-each for each in self.offsets])

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"levels={self.levels}"
