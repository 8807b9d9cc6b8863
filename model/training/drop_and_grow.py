"""Rewiring: truth tables try other inputs while they are trained.

The wires that a sparse layer found as thresholds of sums are not those that free tables want. So
now and then the wire that matters least gives way to the one whose bit goes best with what the
loss asks of the neuron: the drop-and-grow step of RigL (Evci et al., arXiv:1911.11134), on the
inputs of tables.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam

from htaflow.model.nn.activation import htaf_derivative, step
from htaflow.model.nn.lookup import LookupNeurons, differences, indices
from htaflow.model.nn.network import BinaryNetwork

ROUNDS_PER_EPOCH = 2
"""Rewirings an epoch."""
STOP_AFTER = 0.85
"""Share of training after which wires stay."""
SAMPLE_FRAMES = 4096
"""Frames that a choice rests on."""


def share_now(share: float, progress: float) -> float:
    """Return the share of neurons to rewire when ``progress`` (0 to 1) of training is done.

    It falls from ``share`` to 0 at :data:`STOP_AFTER` as a half cosine.
    """
    return share * (1 + math.cos(math.pi * min(progress / STOP_AFTER, 1.0))) / 2


def rewire(
    model: BinaryNetwork,
    optimizer: Adam,
    bits: Tensor,
    labels: Tensor,
    temperature: float,
    share: float,
) -> None:
    """Give a ``share`` of the neurons of each :class:`LookupNeurons` of ``model`` a new wire.

    Args:
        model: changed in place.
        optimizer: what trains it; it forgets where the entries of a changed table were heading.
        bits: encoded frames to choose by, ``[N, bits]``.
        labels: their classes, ``[N]``.
        temperature: the scores are divided by it for the loss.
        share: of the neurons, 0 to 1; those with the least useful wire come first.
    """
    taps: list[tuple[LookupNeurons, Tensor, Tensor]] = []
    values = bits
    for block in model.blocks:
        inputs, values = values, block(values)
        if isinstance(block, LookupNeurons):
            values.retain_grad()
            taps.append((block, inputs.detach(), values))
    loss = F.cross_entropy(values / temperature, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    for block, inputs, outputs in taps:
        assert outputs.grad is not None
        changed = _rewire_layer(block, inputs, outputs.grad, share)
        if block.latent in optimizer.state:
            optimizer.state[block.latent]["exp_avg"][changed] = 0
    optimizer.zero_grad()


@torch.no_grad()
def _rewire_layer(block: LookupNeurons, bits: Tensor, gradient: Tensor, share: float) -> Tensor:
    """Rewire one layer, and return which neurons have changed.

    ``bits`` is ``[N, in]``; ``gradient``, the loss's by the neurons' outputs, ``[N, out]``.
    """
    planes, latent, source = bits.t().contiguous(), block.latent, block.source
    index = indices(planes, source)
    # A wire's use: the frames in which the neuron's bit hangs on it.
    table = step(latent)
    uses = torch.stack(
        [differences(table, k).abs().gather(1, index).sum(dim=1) for k in range(source.shape[1])], 1
    )
    least, weakest = uses.min(dim=1)
    changed = least.argsort()[: round(share * len(source))]
    weakest = weakest[changed]
    # An input's promise: how its bit, as -1 and 1, goes with what the loss asks of the neuron.
    slope = htaf_derivative(latent, block.activation.alpha, block.activation.beta)
    wish = gradient.t() * slope.gather(1, index)
    promise = (wish[changed] @ (2 * bits - 1)).abs()
    promise.scatter_(1, source[changed], -1)  # a neuron's own inputs are no news to it
    source[changed, weakest] = promise.argmax(dim=1)
    for k in range(source.shape[1]):
        rows = changed[weakest == k]
        # At first the new wire says nothing.
        halves = latent[rows].view(len(rows), latent.shape[1] >> (k + 1), 2, 1 << k)
        latent[rows] = halves.mean(dim=2, keepdim=True).expand_as(halves).flatten(1)
    return changed
