"""Spiking networks, trained through time with HTAF or another surrogate in the place of the step.

Names and conventions are snnTorch's where they fit: ``beta`` is what a leak leaves of a membrane,
``reset_mechanism`` is ``"subtract"`` or ``"zero"``, a spike resets the membrane in the step after
it, and no gradient passes through the reset. What hardware rounds is rounded in training too:
thresholds, currents and leaks are integers in the forward pass, and the gradient goes straight
through the rounding. So the integer network computes what was trained.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htaflow.model.integer import network
from htaflow.model.integer.layers.spiking import MAX_FRACTION, find_leak
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear, as_inputs
from htaflow.model.nn.block import Block, integer_weights, require_finite
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.surrogates import Surrogate
from htaflow.model.support.arguments import checked

_MOMENTUM = 0.1
_SMALL = 1e-3  # no neuron's sums are taken to vary less


class Steps(Block):
    """A frame in ``steps`` steps: the same in each (``"direct"``), or a part of it in each.

    Input ``[N, bits]``; output ``[N, steps, bits]``, or ``[N, steps, bits / steps]`` for
    ``coding="split"``.
    """

    @checked
    def __init__(self, steps: int, coding: Literal["direct", "split"] = "direct") -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        if coding not in ("direct", "split"):
            raise ValueError(f"coding is '{coding}'; use 'direct' or 'split'")
        self.steps = steps
        self.coding: Literal["direct", "split"] = coding

    def forward(self, bits: Tensor) -> Tensor:
        """Return the frames, step by step."""
        if self.coding == "split":
            if bits.shape[-1] % self.steps:
                raise ValueError(f"{bits.shape[-1]} bits are no {self.steps} equal steps")
            return bits.reshape(len(bits), self.steps, bits.shape[1] // self.steps)
        return bits.unsqueeze(1).expand(-1, self.steps, -1)

    def lower(self, name: str) -> network.Steps:
        """Return the same as an integer layer."""
        return network.Steps(name, self.steps, self.coding)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"steps={self.steps}, coding={self.coding}"


class Accumulate(Block):
    """The sum over a frame's steps: of spikes, the spike count.

    Input ``[N, steps, ...]``, output ``[N, ...]``.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Return the sums."""
        if values.dim() < 3:
            raise ValueError(f"it takes steps [N, steps, ...], not {list(values.shape)}")
        return values.sum(dim=1)

    def lower(self, name: str) -> network.Accumulate:
        """Return the same as an integer layer."""
        return network.Accumulate(name)


class Spiking(Block):
    """Leaky integrate-and-fire neurons: input ``[N, steps, in]``, output ``[N, steps, out]``.

    Both are bits when hard; what a neuron computes in each step is said in
    :class:`htaflow.model.integer.layers.spiking.Spiking`. With m and s the running mean and
    standard deviation of a neuron's sums, its threshold is ``s * exp(gain)`` and its current ``s *
    shift - m``, rounded to multiples of ``2**-fraction``; ``gain`` and ``shift`` are learned. The
    surrogate sees ``v / threshold - 1``.

    Args:
        linear: the weights, ``[out, in]``; a bit counts as 0 or 1.
        activation: HTAF, or a surrogate.
        beta: what is left of a membrane after a step: ``1 - 2**-k``, or 1 for no leak. A number, or
            a tensor of one.
        reset_mechanism: ``"subtract"`` (the threshold) or ``"zero"``.
        fraction: bits of thresholds, currents and membranes below 1.

    Raises:
        BadInputError: ``beta`` is no leak that a shift can do.
        ValueError: there is no such ``reset_mechanism``, ``fraction`` is not 0 to 30, or ``beta``
            holds more than one number.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    @checked
    def __init__(
        self,
        linear: BinaryLinear | IntegerLinear,
        activation: HTAF | Surrogate,
        *,
        beta: float | Tensor = 1.0,
        reset_mechanism: Literal["subtract", "zero"] = "subtract",
        fraction: int = 1,
    ) -> None:
        super().__init__()
        if reset_mechanism not in ("subtract", "zero"):
            raise ValueError(f"reset_mechanism is '{reset_mechanism}'; use 'subtract' or 'zero'")
        if not 0 <= fraction <= MAX_FRACTION:
            raise ValueError(f"fraction is {fraction} bits; use 0 to {MAX_FRACTION}")
        if isinstance(beta, Tensor):
            if beta.numel() != 1:
                raise ValueError(f"beta has shape {list(beta.shape)}; use one for all neurons")
            beta = beta.item()
        self.linear = linear
        self.activation = activation
        self.beta = float(beta)
        self.leak = find_leak(self.beta)
        self.reset_mechanism = reset_mechanism
        self.fraction = fraction
        neurons = linear.out_features
        self.gain = nn.Parameter(torch.zeros(neurons))
        self.shift = nn.Parameter(torch.full((neurons,), 0.5))
        self.register_buffer("mean", torch.zeros(neurons))
        self.register_buffer("variance", torch.ones(neurons))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, bits: Tensor) -> Tensor:
        """Return the spikes of each step.

        In evaluation membranes are in double precision, which holds every integer that they can be.
        """
        bits = as_inputs(bits, self.linear.in_features)
        if bits.dim() != 3:
            raise ValueError(f"it takes steps [N, steps, inputs], not {list(bits.shape)}")
        # Under direct coding all steps have the same sums: they are computed once.
        same = bits.stride(1) == 0
        acc = F.linear(bits[:, :1] if same else bits, self.linear.weight.to(bits.dtype))
        if self.training:
            self._observe(acc.detach().flatten(0, 1))
        threshold, current = self.integers()
        if not self.training:
            acc, threshold, current = acc.double(), threshold.double(), current.double()
        scale = 1.0 / threshold.detach()
        fed = (acc * 2**self.fraction + current).expand(-1, bits.shape[1], -1)
        membrane = torch.zeros_like(fed[:, 0])
        spikes: list[Tensor] = []
        for step in range(fed.shape[1]):
            membrane = self._leaked(membrane)
            if spikes:
                spiked = spikes[-1].detach()
                if self.reset_mechanism == "zero":
                    membrane = membrane * (1 - spiked)
                else:
                    membrane = membrane - spiked * threshold
            membrane = membrane + fed[:, step]
            spikes.append(self.activation((membrane - threshold) * scale))
        return torch.stack(spikes, dim=1).to(bits.dtype)

    def integers(self) -> tuple[Tensor, Tensor]:
        """Return thresholds and currents ``[out]``, integers in units of ``2**-fraction``."""
        deviation = torch.sqrt(self.variance).clamp(min=_SMALL) * 2**self.fraction
        threshold = (deviation * torch.exp(self.gain)).clamp(min=1.0)
        current = deviation * self.shift - self.mean * 2**self.fraction
        return _rounded(threshold), _rounded(current)

    def lower(self, name: str) -> network.Spiking:
        """Return the same neurons as an integer layer."""
        for label in ("gain", "shift", "mean", "variance"):
            require_finite(getattr(self, label), f"{name}.{label}")
        thresholds, currents = (
            tensor.detach().to(torch.int64).numpy() for tensor in self.integers()
        )
        for label, tensor in zip(("threshold", "current"), self.integers(), strict=True):
            require_finite(tensor, f"{name}.{label}")
        return network.Spiking(
            name,
            integer_weights(self.linear, name),
            thresholds,
            currents if currents.any() else None,
            leak=self.leak,
            reset=self.reset_mechanism,
            inputs="unipolar",
            fraction=self.fraction,
        )

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return (
            f"beta={self.beta:g}, reset_mechanism={self.reset_mechanism}, fraction={self.fraction}"
        )

    @torch.no_grad()
    def _observe(self, acc: Tensor) -> None:
        """Take the sums ``[..., out]`` of one batch into the running statistics."""
        self.batches += 1
        share = max(_MOMENTUM, 1 / int(self.batches))
        self.mean += share * (acc.mean(dim=0) - self.mean)
        self.variance += share * (acc.var(dim=0, correction=0) - self.variance)

    def _leaked(self, membrane: Tensor) -> Tensor:
        """Return what a leak leaves; the gradient is as if it did not round."""
        if self.leak is None:
            return membrane
        lost = membrane * 2.0**-self.leak
        return membrane - (lost + (torch.floor(lost) - lost).detach())


def _rounded(values: Tensor) -> Tensor:
    """Return ``values`` rounded to integers, with the gradient of ``values``."""
    return values + (torch.round(values) - values).detach()
