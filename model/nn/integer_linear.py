"""Linear layers with real weights, of which k bits reach the hardware.

Inputs are unipolar: an activation counts as 0 or 1, and a feature as the unsigned integer that it
is. Training keeps real latent weights. Going forward, each is rounded to an integer of k bits, in
steps that follow the magnitude of its neuron's weights; going back, rounding and clipping are
passed over ("straight through"). So what is trained is what is built, and golden accuracy is that
of the hard model.

The step size never reaches the hardware. A neuron compares, and so its step is folded into its
threshold; scores have one step size for all classes, and the largest stays the largest.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htaflow.model.nn.binary_linear import LATENT_RANGE, annealed, as_inputs
from htaflow.model.support.arguments import checked

WEIGHT_BITS = range(2, 9)
"""How many bits a weight may have: with 2 it is -1, 0 or 1."""

CLIP = 2.0
"""The last step ends at this multiple of the mean magnitude, where uniform weights end, too."""


class _Quantise(torch.autograd.Function):
    """Forward integers and their step sizes; backward straight through."""

    @staticmethod
    def forward(
        ctx: Any, latent: Tensor, fan_in: int, largest: int, shared: bool
    ) -> tuple[Tensor, Tensor]:
        magnitudes = latent.abs()
        if fan_in < latent.shape[1]:
            kept, places = torch.topk(magnitudes, fan_in, dim=1, sorted=False)
        else:
            kept, places = magnitudes, None
        mean = kept.mean(dim=1, keepdim=True)
        if shared:
            mean = mean.mean().expand_as(mean)
        step = (mean * (CLIP / (largest + 0.5))).clamp(min=torch.finfo(latent.dtype).tiny)
        integers = torch.round(latent / step).clamp(-largest, largest)
        if places is not None:
            integers = torch.zeros_like(latent).scatter_(1, places, integers.gather(1, places))
        empty = torch.nonzero((integers == 0).all(dim=1))[:, 0]
        if len(empty):  # a neuron reads something, however small its weights
            place = magnitudes[empty].argmax(dim=1)
            integers[empty, place] = torch.copysign(
                torch.ones_like(latent[empty, place]), latent[empty, place] + 0.0
            )
        ctx.save_for_backward(step)
        steps = step.flatten()
        ctx.mark_non_differentiable(steps)
        return integers, steps

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (step,) = ctx.saved_tensors
        return gradients[0] / step, None, None, None


def quantise(
    latent: Tensor, bits: int, fan_in: int | None = None, *, shared: bool = False
) -> tuple[Tensor, Tensor]:
    """Return integers of ``bits`` bits and the step sizes: ``latent ~ integers * step``.

    ``integers = clip(round(latent / step))``, ``[out, in]`` as ``latent`` is, within plus or minus
    ``2**(bits - 1) - 1``; in each row the ``fan_in`` largest in magnitude, the others are 0. Of a
    row that would be all 0, the largest keeps its sign.
    ``step`` is ``[out]``: each row's own, or one for all if ``shared``. The gradient of the
    integers goes straight through to every latent weight; the steps have none.
    """
    largest = (1 << (bits - 1)) - 1
    fan_in = latent.shape[1] if fan_in is None else fan_in
    result: tuple[Tensor, Tensor] = _Quantise.apply(latent, fan_in, largest, shared)  # type: ignore[no-untyped-call]
    return result


class IntegerLinear(nn.Module):
    """Sums of unsigned inputs with integer weights of ``bits`` bits.

    ``acc[n] = sum_i weight[n, i] * v[i]``: input ``[N, in_features]`` from 0 to ``high``, output
    ``[N, out_features]``; integers when the input is. Sparse with a ``fan_in``: each neuron keeps
    that many weights, the largest in magnitude. Training starts with ``start_fan_in`` of them, and
    :meth:`anneal` narrows that. Raises ``ValueError`` for a size below 1 or bits outside 2 to 8.
    """

    inputs: Literal["bipolar", "unipolar"] = "unipolar"

    @checked
    def __init__(
        self,
        in_features: int,
        out_features: int,
        bits: int,
        fan_in: int | None = None,
        start_fan_in: int | None = None,
        *,
        high: int = 1,
        shared: bool = False,
    ) -> None:
        super().__init__()
        if in_features < 1 or out_features < 1:
            raise ValueError(f"sizes must be at least 1, not {in_features} and {out_features}")
        if fan_in is not None and fan_in < 1:
            raise ValueError(f"fan_in must be at least 1, not {fan_in}")
        if high < 1:
            raise ValueError(f"high, the largest value that comes in, is {high}; use at least 1")
        if bits not in WEIGHT_BITS:
            raise ValueError(f"weights have 2 to 8 bits, not {bits}")
        self.in_features = in_features
        self.out_features = out_features
        self.bits = bits
        self.high = high
        self.shared = shared
        self.target_fan_in = min(fan_in or in_features, in_features)
        self.start_fan_in = min(max(start_fan_in or 0, self.target_fan_in), in_features)
        self.fan_in = self.start_fan_in
        self.latent = nn.Parameter(torch.empty(out_features, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the latent weights afresh from torch's random numbers."""
        nn.init.uniform_(self.latent, -LATENT_RANGE, LATENT_RANGE)

    def quantised(self) -> tuple[Tensor, Tensor]:
        """Return the weights that count, ``[out, in]``, and their step sizes, ``[out]``."""
        return quantise(self.latent, self.bits, self.fan_in, shared=self.shared)

    @property
    def weight(self) -> Tensor:
        """The weights that count, ``[out_features, in_features]``: integers."""
        return self.quantised()[0]

    def forward(self, values: Tensor) -> Tensor:
        """Return the sums, ``[N, out_features]``."""
        values = as_inputs(values, self.in_features)
        values = self.widened(values)
        return F.linear(values, self.weight.to(values.dtype))

    def widened(self, values: Tensor) -> Tensor:
        """Return ``values``, in evaluation of a type that holds every sum of them exactly."""
        most = self.in_features * self.high << (self.bits - 1)
        return values if self.training or most < 1 << 24 else values.double()

    def anneal(self, progress: float) -> None:
        """Set ``fan_in`` for the share ``progress`` (0 to 1) of the annealing: geometric."""
        self.fan_in = annealed(self.start_fan_in, self.target_fan_in, progress)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bits={self.bits}, "
            f"fan_in={self.start_fan_in}->{self.target_fan_in}, high={self.high}"
        )
