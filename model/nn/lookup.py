"""Neurons as truth tables: any function of a few bits, learned through HTAF.

A table entry is a real latent; the neuron outputs the step of the entry that its inputs select,

    index[n] = sum_k bit[source[n, k]] << k,    bit[n] = H(latent[n, index[n]]).

Backward, the selected entry gets HTAF's derivative there, and input k the difference that it makes:
htaf(entry with input k at 1) - htaf(entry with input k at 0). That is a finite difference of the
smooth table, as in differentiable weightless networks (Bacellar et al., arXiv:2410.11112), with
HTAF in the place of their straight-through estimate.
"""

from typing import Any

import torch
from torch import Tensor, nn

from htaflow.model.integer import network
from htaflow.model.integer.network import MAX_LOOKUP_INPUTS
from htaflow.model.nn.activation import HTAF, htaf, htaf_derivative, step
from htaflow.model.nn.block import Block, Hidden, require_finite
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError


def indices(planes: Tensor, source: Tensor) -> Tensor:
    """Return which entry each neuron looks up: bits ``[in, N]`` to integers ``[out, N]``."""
    # In bytes: several times faster than in the integers that gather wants in the end.
    bits = planes.to(torch.uint8)
    index = bits.index_select(0, source[:, 0])
    for k in range(1, source.shape[1]):
        index |= bits.index_select(0, source[:, k]) << k
    return index.long()


def differences(tables: Tensor, k: int) -> Tensor:
    """Return, for each entry of ``[out, 2**K]``, that with input k at 1 less that with it at 0."""
    low, high = tables.view(len(tables), -1, 2, 1 << k).unbind(2)
    return torch.stack((high - low, high - low), 2).view_as(tables)


class _LookUp(torch.autograd.Function):
    """The formula above on planes: bits ``[in, N]`` to bits ``[out, N]``."""

    @staticmethod
    def forward(
        ctx: Any, planes: Tensor, latent: Tensor, source: Tensor, alpha: float, beta: float
    ) -> Tensor:
        index = indices(planes, source)
        ctx.save_for_backward(index, latent, source)
        ctx.inputs, ctx.alpha, ctx.beta = len(planes), alpha, beta
        return step(latent).gather(1, index)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:
        (gradient,) = gradients
        index, latent, source = ctx.saved_tensors
        # Whatever depends on the entry alone is computed once for each, not for each frame.
        to_latent = torch.zeros_like(latent).scatter_add_(1, index, gradient)
        to_latent *= htaf_derivative(latent, ctx.alpha, ctx.beta)
        if not ctx.needs_input_grad[0]:
            return None, to_latent, None, None, None
        smooth = htaf(latent, ctx.alpha, ctx.beta)
        to_planes = gradient.new_zeros(ctx.inputs, gradient.shape[1])
        for k in range(source.shape[1]):
            difference = differences(smooth, k).gather(1, index)
            to_planes.index_add_(0, source[:, k], difference.mul_(gradient))
        return to_planes, to_latent, None, None, None


class LookupNeurons(Block):
    """A layer of truth tables, wired as ``source`` says.

    Input ``[N, in]`` and output ``[N, out]``, both bits: a table is looked up with bits only, so
    the forward pass is hard in every mode.

    Args:
        source: which inputs each neuron reads, integers ``[out, K]``, K at most 6.
        latent: the tables' entries at the start, ``[out, 2**K]``; an entry of 0 or more is a 1.
        activation: HTAF, whose sharpness and tail shape the gradient.
    """

    source: Tensor

    @checked
    def __init__(self, source: Tensor, latent: Tensor, activation: HTAF) -> None:
        super().__init__()
        if source.ndim != 2 or latent.shape != (len(source), 1 << source.shape[1]):
            raise ValueError(
                f"source {list(source.shape)} and latent {list(latent.shape)} must be "
                "[out, K] and [out, 2**K]"
            )
        if (source < 0).any():
            raise ValueError("source holds a negative index; use 0 and up")
        self.register_buffer("source", source)
        # Contiguous: a checkpoint gives the optimiser's state back so, and both must agree.
        self.latent = nn.Parameter(latent.contiguous())
        self.activation = activation

    def forward(self, bits: Tensor) -> Tensor:
        """Return what the neurons look up, ``[N, out]``."""
        planes = bits.t().contiguous()
        alpha, beta = self.activation.alpha, self.activation.beta
        found: Tensor = _LookUp.apply(planes, self.latent, self.source, alpha, beta)  # type: ignore[no-untyped-call]
        return found.t().to(bits.dtype)

    def lower(self, name: str) -> network.Lookup:
        """Return the same tables as an integer layer."""
        require_finite(self.latent, f"{name}.latent")
        return network.Lookup(name, self.source.numpy(), (self.latent.detach() >= 0).int().numpy())

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"neurons={len(self.source)}, inputs={self.source.shape[1]}"


@torch.no_grad()
def tabulate(hidden: Hidden, name: str, activation: HTAF) -> LookupNeurons:
    """Return the tables that decide as the sparse layer ``hidden`` does, its hard form.

    ``activation`` is what they are to be trained with; ``name`` is the layer's, for errors. Raises
    ``BadInputError`` if a neuron has more inputs than a table.
    """
    weights = hidden.linear.weight
    fan_in = int((weights != 0).sum(dim=1).max())
    if fan_in > MAX_LOOKUP_INPUTS:
        raise BadInputError(
            f"{name}: a neuron has fan-in {fan_in}; tables have at most {MAX_LOOKUP_INPUTS} inputs"
        )
    # The largest first; a neuron with fewer inputs reads some that its table does not heed.
    source = weights.abs().topk(fan_in, dim=1).indices
    signs = weights.gather(1, source)
    entries = torch.arange(1 << fan_in)
    bipolar = 2.0 * (entries[:, None] >> torch.arange(fan_in) & 1) - 1
    sums = bipolar @ signs.t().to(bipolar.dtype)
    return LookupNeurons(source, hidden.normalise(sums).t().float(), activation)
