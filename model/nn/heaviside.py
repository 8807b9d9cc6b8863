"""Deep Heaviside networks: layers of weighted sums and steps, without normalisation."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htaflow.model.integer import network
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import LATENT_RANGE, as_inputs
from htaflow.model.nn.block import Block, integer_weights, require_finite
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.lowering.fold import Normalisation, fold_layer
from htaflow.model.nn.lowering.ties import settle
from htaflow.model.nn.surrogates import Surrogate
from htaflow.model.support.arguments import checked


class Heaviside(Block):
    """A layer of Heaviside neurons without normalisation: weighted sum, bias, step.

    ``bit = [scale * step * acc + bias >= 0]``: input ``[N, in]``, output ``[N, out]``, both bits
    when hard and in [0, 1] when smooth. ``scale`` is a constant that gives the sums of the first
    latent weights a spread of about 1 for any fan-in and inputs, and ``step`` the neurons' step
    sizes. With batch normalisation, use :class:`htaflow.model.nn.block.Hidden` on the same linear.
    """

    @checked
    def __init__(self, linear: IntegerLinear, activation: HTAF | Surrogate) -> None:
        super().__init__()
        self.linear = linear
        self.activation = activation
        # A uniform weight spreads by LATENT_RANGE / sqrt(3), an input by half of its range.
        spread = LATENT_RANGE * linear.high * math.sqrt(linear.start_fan_in / 12)
        self.scale = 1 / spread
        with torch.no_grad():
            weights, step = linear.quantised()
            middle = step * weights.sum(dim=1) * (linear.high / 2)
            self.bias = nn.Parameter(-middle * self.scale)

    def forward(self, values: Tensor) -> Tensor:
        """Return the activations, ``[N, out]``.

        In evaluation the bias is added in double precision, and no sign is lost: of step sizes that
        are themselves in double precision, ties are settled by exact numbers.
        """
        weights, step = self.linear.quantised()
        values = as_inputs(values, self.linear.in_features)
        values = self.linear.widened(values)
        acc = F.linear(values, weights.to(values.dtype))
        factor = step * self.scale
        if self.training:
            return torch.as_tensor(self.activation(factor * acc + self.bias))
        products, bias = factor.double() * acc.double(), self.bias.double()
        sums = products + bias
        if factor.dtype == torch.float64:

            def exact(neuron: int) -> Normalisation:
                return Normalisation.of(0.0, 1.0, 0.0, float(factor[neuron]), float(bias[neuron]))

            sums = settle(sums, products.abs() + bias.abs(), acc.double(), exact, axis=-1)
        return torch.as_tensor(self.activation(sums)).to(acc.dtype)

    def lower(self, name: str) -> network.Dense:
        """Fold step size and bias into integer thresholds, exactly."""
        weights = integer_weights(self.linear, name)
        require_finite(self.bias, f"{name}.bias")
        step = self.linear.quantised()[1].detach()
        factor = (step * self.scale).double().numpy()
        low, high = network.Dense(name, weights, None, "unipolar").bounds_up_to(self.linear.high)
        zeros = np.zeros(len(weights))
        shift = self.bias.detach().double().numpy()
        # (acc - 0) / sqrt(1) * factor + bias; the factor is positive, so nothing flips.
        thresholds, _ = fold_layer(zeros, zeros + 1, 0.0, factor, shift, low, high)
        return network.Dense(name, weights, thresholds, "unipolar")
