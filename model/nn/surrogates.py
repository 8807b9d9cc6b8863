"""The usual stand-ins for HTAF: forward the step, backward the derivative of something smoother.

Each surrogate is a sigmoidal function that rises from 0 to 1 with ``slope`` as its derivative at 0,
and so, unlike HTAF of finite alpha, has an area of exactly 1 under its derivative:

    straight   slope * [|x| <= 1 / (2 * slope)]
    sigmoid    4 * slope * s * (1 - s),  s = sigmoid(4 * slope * x)
    arctan     slope / (1 + (pi * slope * x)^2)

``straight`` is the clipped straight-through estimator: with slope 1/2 the hard tanh's derivative of
"Binarized Neural Networks", I. Hubara et al. (2016), in the terms of bits 0 and 1. ``sigmoid`` and
``arctan`` are those of SpikingJelly and snnTorch, whose parameters are 4 * slope and 2 * slope;
the latter is from "Incorporating Learnable Membrane Time Constant to Enhance Learning of Spiking
Neural Networks", W. Fang et al. (2021). Their defaults are slope 1 (snnTorch's sigmoid: 6.25).
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from htaflow.model.nn.activation import step

Derivative = Callable[[Tensor, float], Tensor]


def straight_derivative(x: Tensor, slope: float) -> Tensor:
    """Return ``slope`` where ``|x| <= 1 / (2 * slope)``, else 0, of the shape of ``x``."""
    return slope * (x.abs() <= 0.5 / slope).to(x.dtype)


def sigmoid_derivative(x: Tensor, slope: float) -> Tensor:
    """Return the derivative of ``sigmoid(4 * slope * x)``, of the shape of ``x``."""
    value = torch.sigmoid(4 * slope * x)
    return 4 * slope * value * (1 - value)


def arctan_derivative(x: Tensor, slope: float) -> Tensor:
    """Return the derivative of ``arctan(pi * slope * x) / pi + 1/2``, of the shape of ``x``."""
    return slope / (1 + (math.pi * slope * x) ** 2)


SURROGATES: dict[str, Derivative] = {
    "straight": straight_derivative,
    "sigmoid": sigmoid_derivative,
    "arctan": arctan_derivative,
}
"""Derivatives by name."""


class _SurrogateStep(torch.autograd.Function):
    """Forward the step, backward a surrogate's derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, derivative: Derivative, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.derivative, ctx.slope = derivative, slope
        return step(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.derivative(x, ctx.slope), None, None


class Surrogate(nn.Module):
    """An activation that can take HTAF's place: the step, with a surrogate's derivative.

    Input and output: any shape; the output is 0 and 1.

    Args:
        name: a key of :data:`SURROGATES`.
        slope: of the surrogate at 0, above 0.
    """

    def __init__(self, name: str, slope: float) -> None:
        super().__init__()
        if name not in SURROGATES:
            raise ValueError(f"name must be one of {', '.join(SURROGATES)}, not {name!r}")
        if not 0 < slope < math.inf:
            raise ValueError(f"slope must be positive, not {slope}")
        self.name = name
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[x >= 0]`` as 0 and 1, of the shape of ``x``."""
        derivative = SURROGATES[self.name]
        result: Tensor = _SurrogateStep.apply(x, derivative, self.slope)  # type: ignore[no-untyped-call]
        return result

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"{self.name}, slope={self.slope:g}"
