"""HTAF, the heavy-tailed activation function, and the hard step that it stands in for.

    htaf(x; alpha, beta) = sigmoid(alpha * tanh(beta * x)),    alpha, beta > 0
    htaf'(x) = alpha * beta * htaf(x) * (1 - htaf(x)) * (1 - tanh(beta * x)^2)

Source of the idea: arXiv:2605.11558, "A Composite Activation Function for Learning Stable Binary
Representations". Its abstract says only "sigmoid-hyperbolic tangent composite"; this
parametrisation, with a sharpness alpha and a tail beta, is ours.

What follows from the formula: htaf is symmetric about (0, 1/2), strictly increasing, and has slope
alpha * beta / 4 at 0. It lies between 1 / (1 + exp(alpha)) and 1 / (1 + exp(-alpha)), and tends to
the step H(x) = [x >= 0] as alpha grows. Of the area under its derivative, the share within
|x| <= d, relative to the step's 1, is tanh(alpha * tanh(beta * d) / 2). Far out, the derivative
decays as exp(-2 * beta * |x|), while a sigmoid with the same slope at 0 decays as
exp(-alpha * beta * |x|): HTAF has the heavier tail for every alpha > 2.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from htaflow.model.support.arguments import checked


def step(x: Tensor) -> Tensor:
    """Return H(x) = [x >= 0] as 0 and 1 in the type of ``x``; H(0) = 1. Has no gradient."""
    return (x >= 0).to(x.dtype)


def htaf(x: Tensor, alpha: float, beta: float) -> Tensor:
    """Return ``sigmoid(alpha * tanh(beta * x))``, the smooth form, of the shape of ``x``."""
    return torch.sigmoid(alpha * torch.tanh(beta * x))


def htaf_derivative(x: Tensor, alpha: float, beta: float) -> Tensor:
    """Return the derivative of :func:`htaf` at ``x``."""
    tail = torch.tanh(beta * x)
    value = torch.sigmoid(alpha * tail)
    return alpha * beta * value * (1 - value) * (1 - tail * tail)


class _HardHTAF(torch.autograd.Function):
    """Forward the step, backward HTAF's derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: float, beta: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.alpha, ctx.beta = alpha, beta
        return step(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * htaf_derivative(x, ctx.alpha, ctx.beta), None, None


def hard_htaf(x: Tensor, alpha: float, beta: float) -> Tensor:
    """Return the step of ``x`` with HTAF's derivative as its gradient.

    Forward ``[x >= 0]`` as 0 and 1; backward ``gradient * htaf'(x; alpha, beta)``.
    """
    result: Tensor = _HardHTAF.apply(x, alpha, beta)  # type: ignore[no-untyped-call]
    return result


class HTAF(nn.Module):
    """The activation of every hidden layer: :func:`htaf` (smooth) or :func:`hard_htaf`.

    Input and output: any shape. ``alpha``, ``beta`` and ``hard`` may change between calls; they are
    not learned.

    Args:
        alpha: sharpness, above 0.
        beta: tail, above 0.
        hard: whether the forward pass is the step.
        sharpening: whether it is trained smooth and ever sharper, even where others are hard.
    """

    @checked
    def __init__(
        self,
        alpha: float = 4.0,
        beta: float = 1.0,
        *,
        hard: bool = True,
        sharpening: bool = False,
    ) -> None:
        super().__init__()
        if not (0 < alpha < math.inf and 0 < beta < math.inf):
            raise ValueError(f"alpha and beta must be positive numbers, not {alpha} and {beta}")
        self.alpha = alpha
        self.beta = beta
        self.hard = hard
        self.sharpening = sharpening

    def forward(self, x: Tensor) -> Tensor:
        """Return activations in [0, 1], of the shape of ``x``; 0 and 1 only when ``hard``."""
        return (hard_htaf if self.hard else htaf)(x, self.alpha, self.beta)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"alpha={self.alpha:g}, beta={self.beta:g}, hard={self.hard}"


def sharpness(start: float, end: float, progress: float) -> float:
    """Return alpha when ``progress`` (0 to 1) of training is done: geometric, start to end."""
    return start * float((end / start) ** min(max(progress, 0.0), 1.0))
