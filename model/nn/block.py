"""Blocks: the steps of a model that can be lowered, each to one layer of the integer network."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from htaflow.model.integer import network
from htaflow.model.integer.network import IntArray
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.lowering.fold import Normalisation, fold_layer
from htaflow.model.nn.lowering.ties import settle
from htaflow.model.nn.surrogates import Surrogate
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, kind_of


class Block(nn.Module):
    """A step of a model: takes and yields ``[N, ...]``, and knows its integer form."""

    def lower(self, name: str) -> network.Layer:
        """Return the integer layer ``name`` that computes the hard forward pass exactly.

        Raises ``BadInputError`` for parameters that are not finite.
        """
        raise NotImplementedError


class Hidden(Block):
    """Sums, batch normalisation, HTAF: a layer of binary neurons.

    Input ``[N, in]`` and output ``[N, out]``, both bits when hard and in [0, 1] when smooth, or
    with any axes between; an :class:`IntegerLinear` may also take unsigned integers.
    ``activation`` may also be a :class:`htaflow.model.nn.surrogates.Surrogate`, which is always
    hard.
    """

    neurons_axis = -1
    """The axis of the sums along which the neurons lie."""

    @checked
    def __init__(self, linear: BinaryLinear | IntegerLinear, activation: HTAF | Surrogate) -> None:
        super().__init__()
        self.linear = linear
        self.norm: nn.BatchNorm1d | nn.BatchNorm2d = nn.BatchNorm1d(linear.out_features)
        self.activation = activation

    def sums(self, bits: Tensor) -> Tensor:
        """Return the weighted sums, ``[N, out]``."""
        return torch.as_tensor(self.linear(bits))

    def forward(self, bits: Tensor) -> Tensor:
        """Return the activations, ``[N, out]``.

        In evaluation the normalisation is in double precision: near a tie, single precision could
        decide a bit otherwise than the exact numbers do.
        """
        acc = self.sums(bits).movedim(self.neurons_axis, 1)  # where batch normalisation has them
        if self.training:
            kind = acc.dtype if self.norm.weight is None else self.norm.weight.dtype
            active = self.activate(self.norm(acc.to(kind)))
        else:
            active = self.active(acc)
        return active.to(acc.dtype).movedim(1, self.neurons_axis)

    def activate(self, normalised: Tensor) -> Tensor:
        """Return the activations of normalised sums, in training."""
        return torch.as_tensor(self.activation(normalised))

    def active(self, acc: Tensor) -> Tensor:
        """Return the activations of sums ``[N, out, ...]``, in evaluation."""
        return torch.as_tensor(self.activation(self.normalise(acc)))

    def normalise(self, acc: Tensor, more: float = 0.0) -> Tensor:
        """Return the sums ``[N, out, ...]`` normalised by the running statistics, in double.

        ``more`` is added to the shift. Of statistics that are themselves in double precision, ties
        are settled by exact numbers.
        """
        spread = [-1] + [1] * (acc.dim() - 2)  # neurons are the second dimension
        statistics = normalisation(self.norm, self.linear.out_features, "norm")
        mean, variance, scale, shift = (each.double().view(spread) for each in statistics)
        shift = shift + more
        acc, root = acc.double(), torch.sqrt(variance + self.norm.eps)
        values = scale * (acc - mean) / root + shift
        if all(each.dtype != torch.float64 for each in statistics):
            return values
        terms = scale.abs() * (acc.abs() + mean.abs()) / root + shift.abs()

        def exact(neuron: int) -> Normalisation:
            mean, variance, scale, shift = (float(each[neuron]) for each in statistics)
            return Normalisation.of(mean, variance, self.norm.eps, scale, shift + more)

        return settle(values, terms, acc, exact)

    @torch.no_grad()
    def calibrate(self, inputs: Iterable[Tensor]) -> None:
        """Set the running statistics to those of all ``inputs``, each ``[N, ...]``: bits."""
        mean, variance, _, _ = normalisation(self.norm, self.linear.out_features, "norm")
        count, total, squares = 0, torch.zeros_like(mean).double(), torch.zeros_like(mean).double()
        for bits in inputs:
            acc = self.sums(bits).double().movedim(self.neurons_axis, 0).flatten(1).t()
            count += len(acc)
            total += acc.sum(dim=0)
            squares += (acc * acc).sum(dim=0)
        mean.copy_(total / count)
        variance.copy_((squares / count - (total / count) ** 2).clamp(min=0))

    def lower(self, name: str) -> network.Layer:
        """Fold the normalisation into integer thresholds, exactly."""
        return self.fold(name)

    def fold(self, name: str) -> network.Dense:
        """Return the neurons, each seen alone, as :meth:`lower` does."""
        return self.folded(name, [0.0])

    def folded(self, name: str, shifts: Sequence[float]) -> network.Dense:
        """Return the neurons with a threshold for each of ``shifts``, added to the shift.

        That is ``[out]`` for one, else ``[out, levels]``; ``shifts`` are descending.
        """
        weights = integer_weights(self.linear, name)
        statistics = normalisation(self.norm, self.linear.out_features, f"{name}.norm")
        for label, tensor in zip(_STATISTICS, statistics, strict=True):
            require_finite(tensor, f"{name}.norm.{label}")
        mean, variance, scale, shift = (each.detach().double().numpy() for each in statistics)
        _require_spread(variance, self.norm.eps, f"{name}.norm")
        inputs = self.linear.inputs
        low, high = network.Dense(name, weights, None, inputs).bounds_up_to(self.linear.high)
        rows = []
        for more in shifts:
            row, flips = fold_layer(mean, variance, self.norm.eps, scale, shift + more, low, high)
            rows.append(row)
        weights[flips] *= -1
        thresholds = rows[0] if len(rows) == 1 else np.stack(rows, axis=1)
        return network.Dense(name, weights, thresholds, inputs)


_STATISTICS = ("running_mean", "running_var", "weight", "bias")


def normalisation(norm: nn.Module, neurons: int, name: str) -> tuple[Tensor, ...]:
    """Return the mean, variance, scale and shift of a batch normalisation, ``[neurons]`` each.

    Without ``affine``, scale and shift are 1 and 0. Raises ``BadInputError``, which calls it
    ``name``, for a normalisation that has no running statistics or is of another kind or size.
    """
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        raise BadInputError(
            f"'{name}' is {kind_of(norm)}, which cannot be folded into a threshold; use a "
            f"BatchNorm1d({neurons}), or a BatchNorm2d({neurons}) for images"
        )
    if norm.num_features != neurons:
        raise BadInputError(
            f"'{name}' normalises {norm.num_features} sums, and there are {neurons} neurons; use "
            f"{type(norm).__name__}({neurons})"
        )
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise BadInputError(
            f"'{name}' keeps no running statistics, so that a frame's bits depend on the frames "
            "beside it; make it with track_running_stats=True, and train on or calibrate the layer"
        )
    if not norm.affine:
        return mean, variance, torch.ones_like(mean), torch.zeros_like(mean)
    return mean, variance, norm.weight, norm.bias


def _require_spread(variance: npt.NDArray[np.float64], epsilon: float, name: str) -> None:
    """Raise ``BadInputError`` unless every ``variance + epsilon`` has a root to divide by."""
    if not 0 <= epsilon < math.inf:
        raise BadInputError(f"{name}.eps is {epsilon}; use a number from 0 on, such as 1e-5")
    for n in np.flatnonzero(variance < 0):
        raise BadInputError(
            f"{name}.running_var: neuron {n} has variance {variance[n]}; it must not be negative: "
            "train again"
        )
    for n in np.flatnonzero(variance + epsilon == 0):
        raise BadInputError(
            f"{name}: neuron {n} has variance 0 and eps is 0, so that its sum would be divided by "
            "0; make eps larger, such as 1e-5"
        )


class GroupSum(Block):
    """The head without weights: each class counts its own equal run of bits.

    Input ``[N, bits]``, output ``[N, classes]``, or with any axes between.
    """

    @checked
    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"classes is {classes}; use at least 1")
        self.classes = classes

    def forward(self, bits: Tensor) -> Tensor:
        """Return the votes, ``[N, classes]``."""
        if bits.shape[-1] % self.classes:
            raise ValueError(f"{bits.shape[-1]} bits are no {self.classes} equal groups")
        own = bits.shape[-1] // self.classes
        return bits.reshape(*bits.shape[:-1], self.classes, own).sum(dim=-1)

    def lower(self, name: str) -> network.GroupSum:
        """Return the same votes as an integer layer."""
        return network.GroupSum(name, self.classes)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"classes={self.classes}"


class Scores(Block):
    """The head with weights: each class sums all bits, by weights in {-1, +1}.

    Input ``[N, bits]``, output ``[N, classes]``, integers when the input is bits.
    """

    @checked
    def __init__(self, linear: BinaryLinear | IntegerLinear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, bits: Tensor) -> Tensor:
        """Return the scores, ``[N, classes]``."""
        return torch.as_tensor(self.linear(bits))

    def lower(self, name: str) -> network.Dense:
        """Return the same sums, without thresholds."""
        return network.Dense(name, integer_weights(self.linear, name), None, self.linear.inputs)


def integer_weights(linear: nn.Module, name: str) -> IntArray:
    """Return the weights of ``linear`` as int8 ``[out, in]``; refuse latents that are no number."""
    if not isinstance(linear, BinaryLinear | IntegerLinear):  # it can be replaced later
        raise BadInputError(
            f"'{name}.linear' is {kind_of(linear)}, whose weights are no small integers; use a "
            "BinaryLinear, a SparseBinaryLinear or an IntegerLinear"
        )
    require_finite(linear.latent, f"{name}.linear.latent")
    return linear.weight.detach().to(torch.int8).numpy().copy()


def require_finite(tensor: Tensor, name: str) -> None:
    """Raise ``BadInputError`` that names the tensor if it holds NaN or infinity."""
    bad = ~torch.isfinite(tensor)
    if bad.any():
        index = torch.nonzero(bad)[0].tolist()
        value = tensor[tuple(index)].item()
        raise BadInputError(f"tensor '{name}' holds {value} at {index}; train again from the start")
