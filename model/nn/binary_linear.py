"""Linear layers with binary and with sparse ternary weights.

Both sum bipolar values: an activation b in [0, 1] enters as 2b - 1. Both keep real latent weights,
which training changes and of which only the signs (and, if sparse, the order of the magnitudes)
reach the hardware. The gradient goes straight through to every latent weight; that of a weight
which is now zero says what it would do if it were not, and so lets it come back. Or, if asked for,
the sign is HTAF's, and each latent weight's gradient is multiplied by HTAF's derivative there.
"""

from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htaflow.model.nn.activation import htaf_derivative
from htaflow.model.support.arguments import checked
from htaflow.model.support.choices import WeightGradient
from htaflow.model.support.errors import abbreviate

LATENT_RANGE = 0.1
"""Latent weights start uniform in plus or minus this."""

HTAF_ALPHA = 2.0
"""Sharpness of the latent weights' HTAF."""

HTAF_BETA = 3.0
"""Its tail. With 1 / LATENT_RANGE, a weight at three times that range has 1/240 of the gradient
that it has at 0, and training carries many weights of sparse layers further. On held-back digits,
2 layers, in 8 trainings of each, 3 gave 92.9 % on average, 1 gave 92.3 %, 10 gave 91.3 %."""


class _Ternary(torch.autograd.Function):
    """Forward signs of the largest latents, zero elsewhere; backward the identity."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, fan_in: int) -> Tensor:
        one = torch.ones((), dtype=latent.dtype)
        signs = torch.copysign(one, latent + 0.0)  # + 0.0 makes -0.0 positive; faster than where
        if fan_in >= latent.shape[1]:
            return signs
        kept = torch.topk(latent.abs(), fan_in, dim=1, sorted=False).indices
        return torch.zeros_like(latent).scatter_(1, kept, signs.gather(1, kept))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class _ThroughHTAF(torch.autograd.Function):
    """Forward the identity; backward the derivative of ``2 * htaf(latent) - 1``."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor) -> Tensor:
        ctx.save_for_backward(latent)
        return latent.view_as(latent)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (latent,) = ctx.saved_tensors
        return gradients[0] * (2 * htaf_derivative(latent, HTAF_ALPHA, HTAF_BETA))


def binary_sign(latent: Tensor, gradient: WeightGradient = "straight-through") -> Tensor:
    """Return the signs -1 and +1 of ``latent``; sign(0) = +1.

    ``latent`` is ``[out, in]``, and so is the result; ``gradient`` as in :func:`ternary_sign`.
    """
    return ternary_sign(latent, latent.shape[1], gradient)


def ternary_sign(
    latent: Tensor, fan_in: int, gradient: WeightGradient = "straight-through"
) -> Tensor:
    """Return -1, 0 and +1: in each row the signs of the ``fan_in`` largest magnitudes.

    ``latent`` is ``[out, in]``, and so is the result. Straight-through, the gradient of every
    latent weight, kept or not, is that of its result; with ``htaf`` it is that times
    ``2 * htaf'(latent; HTAF_ALPHA, HTAF_BETA)``, as of the sign ``2 * H(latent) - 1`` of a hard
    HTAF (see :mod:`htaflow.model.nn.activation`).
    """
    if gradient not in (known := get_args(WeightGradient)):
        raise ValueError(f"gradient is {abbreviate(gradient)}; use {' or '.join(known)}")
    if gradient == "htaf":
        latent = _ThroughHTAF.apply(latent)  # type: ignore[no-untyped-call]
    result: Tensor = _Ternary.apply(latent, fan_in)  # type: ignore[no-untyped-call]
    return result


def annealed(start: int, target: int, progress: float) -> int:
    """Return the fan-in for the share ``progress`` (0 to 1) of the annealing: geometric."""
    ratio = target / start
    return round(start * float(ratio ** min(max(progress, 0.0), 1.0)))


def as_inputs(values: Tensor, count: int) -> Tensor:
    """Return ``values`` as floats; raise ``ValueError`` unless its last axis has ``count``."""
    values = torch.as_tensor(values)
    if values.shape[-1:] != (count,):
        raise ValueError(f"it takes {count} inputs a frame, and {list(values.shape)} come in")
    return values if values.is_floating_point() else values.float()


class BinaryLinear(nn.Module):
    """Sums of all inputs with weights in {-1, +1}.

    ``acc[n] = sum_i sign(latent[n, i]) * (2 * b[i] - 1)``: input ``[N, in_features]`` in [0, 1],
    output ``[N, out_features]``; integers when the input is bits. Sums are of the input's type,
    whatever that of the latent weights: signs are exact in any. ``gradient`` is how the signs pass
    gradients on to the latent weights, see :func:`ternary_sign`; it may change between calls.
    """

    inputs: Literal["bipolar", "unipolar"] = "bipolar"
    high = 1  # of what comes in

    @checked
    def __init__(
        self, in_features: int, out_features: int, *, gradient: WeightGradient = "straight-through"
    ) -> None:
        super().__init__()
        if in_features < 1 or out_features < 1:
            raise ValueError(f"sizes must be at least 1, not {in_features} and {out_features}")
        if gradient not in (known := get_args(WeightGradient)):
            raise ValueError(f"gradient is '{gradient}'; use {' or '.join(known)}")
        self.in_features = in_features
        self.out_features = out_features
        self.gradient = gradient
        self.latent = nn.Parameter(torch.empty(out_features, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the latent weights afresh from torch's random numbers."""
        nn.init.uniform_(self.latent, -LATENT_RANGE, LATENT_RANGE)

    @property
    def weight(self) -> Tensor:
        """The weights that count, ``[out_features, in_features]``."""
        return binary_sign(self.latent, self.gradient)

    def forward(self, bits: Tensor) -> Tensor:
        """Return the sums, ``[N, out_features]``."""
        bits = as_inputs(bits, self.in_features)
        return F.linear(2 * bits - 1, self.weight.to(bits.dtype))

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        gradient = "" if self.gradient == "straight-through" else f", gradient={self.gradient}"
        return f"in_features={self.in_features}, out_features={self.out_features}{gradient}"


class SparseBinaryLinear(BinaryLinear):
    """Sums of few inputs with weights in {-1, 0, +1}; which inputs is learned.

    Each neuron keeps the ``fan_in`` inputs whose latent weights are largest in magnitude. Training
    starts with ``start_fan_in`` of them; :meth:`anneal` narrows that to ``target_fan_in``.
    Shapes are those of :class:`BinaryLinear`.
    """

    @checked
    def __init__(
        self,
        in_features: int,
        out_features: int,
        fan_in: int,
        start_fan_in: int | None = None,
        *,
        gradient: WeightGradient = "straight-through",
    ) -> None:
        if fan_in < 1:
            raise ValueError(f"fan_in must be at least 1, not {fan_in}")
        super().__init__(in_features, out_features, gradient=gradient)
        self.target_fan_in = min(fan_in, in_features)
        self.start_fan_in = min(max(start_fan_in or 0, self.target_fan_in), in_features)
        self.fan_in = self.start_fan_in

    @property
    def weight(self) -> Tensor:
        """The weights that count, ``[out_features, in_features]``."""
        return ternary_sign(self.latent, self.fan_in, self.gradient)

    def anneal(self, progress: float) -> None:
        """Set ``fan_in`` for the share ``progress`` (0 to 1) of the annealing: geometric."""
        self.fan_in = annealed(self.start_fan_in, self.target_fan_in, progress)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"{super().extra_repr()}, fan_in={self.start_fan_in}->{self.target_fan_in}"


def binary_linear(
    in_features: int, out_features: int, fan_in: int | None, start_fan_in: int | None
) -> BinaryLinear:
    """Return the layer whose neurons keep ``fan_in`` inputs, or all of them if it is ``None``."""
    if fan_in is None:
        return BinaryLinear(in_features, out_features)
    return SparseBinaryLinear(in_features, out_features, fan_in, start_fan_in)
