"""The encoder: integer features to bits by comparison with constants, or to narrower integers.

The constants come from the training data once, before training, by one of two rules. ``range``
spreads the same thresholds evenly over the range of all features, as suits an image: one threshold
on pixels 0..255 is 128, the top bit. ``quantiles`` gives each feature its own, so that each part of
its thermometer holds about the same number of training frames, as suits a table of unlike features.
:func:`rate_thresholds` is for spiking networks: other thresholds in each step.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from htaflow.model.integer import network
from htaflow.model.integer.network import IntArray
from htaflow.model.nn.block import Block
from htaflow.model.support.arguments import checked
from htaflow.model.support.choices import Rule
from htaflow.model.support.errors import BadInputError, kind_of


def _as_frames(features: Any, count: int) -> Tensor:
    """Return ``features`` as a tensor ``[N, count]``; raise ``ValueError`` if it is none."""
    if isinstance(features, np.ndarray) and not features.dtype.isnative:
        features = features.astype(features.dtype.newbyteorder("="))
    try:
        frames = torch.as_tensor(features)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"frames are {kind_of(features)}, not an array of numbers ({error})"
        ) from None
    if frames.dim() != 2 or frames.shape[1] != count:
        raise ValueError(f"it takes frames [N, {count}], not {list(frames.shape)}")
    if frames.is_floating_point() and (odd := frames != frames.floor()).any():
        raise ValueError(
            f"frames hold {frames[odd][0].item():g}; features are whole numbers: scale and round "
            "them"
        )
    # PyTorch compares no unsigned integers of more than 8 bits with signed ones.
    return frames.long() if frames.dtype in _UNSIGNED else frames


def _integers(values: Any, name: str) -> Tensor:
    """Return ``values`` as integers ``[bits]``; raise ``ValueError`` if it holds others."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):
        array = np.empty((), object)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        what = f"{array.dtype} {list(array.shape)}" if array.ndim else kind_of(values)
        raise ValueError(f"{name} is {what}; give integers [bits]")
    return torch.as_tensor(array.astype(np.int64))


_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


class Encoder(Block):
    """``bit[j] = [feature[source[j]] >= threshold[j]]``; nothing in it is trained.

    Input ``[N, features]`` integers, output ``[N, bits]`` of 0.0 and 1.0. ``source`` and
    ``threshold`` are integers ``[bits]``.
    """

    source: Tensor
    threshold: Tensor
    high = 1  # of what it yields

    @checked
    def __init__(
        self,
        features: int,
        feature_bits: int,
        signed: bool,
        source: IntArray,
        threshold: IntArray,
    ) -> None:
        super().__init__()
        self.features = features
        self.feature_bits = feature_bits
        self.signed = signed
        self.register_buffer("source", _integers(source, "source"))
        self.register_buffer("threshold", _integers(threshold, "threshold"))
        if len(self.source) != len(self.threshold):
            raise ValueError(
                f"{len(self.source)} sources for {len(self.threshold)} thresholds; use one for each"
            )
        if ((self.source < 0) | (self.source >= features)).any():
            raise ValueError(f"a source is outside 0..{features - 1}, the features of a frame")

    @property
    def bits(self) -> int:
        """Number of bits of an encoded frame."""
        return len(self.source)

    @property
    def width(self) -> int:
        """How many values it yields for a frame."""
        return self.bits

    def forward(self, features: Tensor) -> Tensor:
        """Return the bits, ``[N, bits]``."""
        frames = _as_frames(features, self.features)
        return (frames[:, self.source] >= self.threshold).float()

    def lower(self, name: str) -> network.Encode:
        """Return the same comparisons as an integer layer."""
        return network.Encode(
            name,
            self.features,
            self.feature_bits,
            self.signed,
            self.source.numpy(),
            self.threshold.numpy(),
        )

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"features={self.features}, bits={self.bits}"


class Quantiser(Block):
    """Features as unsigned integers of ``bits`` bits, low bits dropped; nothing in it is trained.

    Input ``[N, features]`` integers, output ``[N, features]`` whole numbers from 0 to ``high``.
    Raises ``ValueError`` for bits outside 1 to 8; at most as many as a feature has are kept.
    """

    @checked
    def __init__(self, features: int, feature_bits: int, signed: bool, bits: int) -> None:
        super().__init__()
        if not 1 <= bits <= 8:
            raise ValueError(f"features keep 1 to 8 bits, not {bits}")
        self.features = features
        self.feature_bits = feature_bits
        self.signed = signed
        self.width = features
        self.bits = min(bits, feature_bits)
        self.high = (1 << self.bits) - 1

    def forward(self, features: Tensor) -> Tensor:
        """Return the integers, ``[N, features]``."""
        low = -(1 << (self.feature_bits - 1)) if self.signed else 0
        frames = _as_frames(features, self.features)
        return ((frames.int() - low) >> (self.feature_bits - self.bits)).float()

    def lower(self, name: str) -> network.Quantise:
        """Return the same as an integer layer."""
        return network.Quantise(name, self.features, self.feature_bits, self.signed, self.bits)

    def extra_repr(self) -> str:
        """Describe the parameters, as torch prints modules."""
        return f"features={self.features}, feature_bits={self.feature_bits}->{self.bits}"


def choose_thresholds(frames: IntArray, count: int, rule: Rule) -> tuple[IntArray, IntArray]:
    """Return the (source, threshold) of a thermometer, each ``[bits]``.

    Args:
        frames: training frames, integers ``[N, features]``.
        count: thresholds a feature, at most; fewer where the data do not tell more apart.
        rule: how to place them, see the module.

    A threshold that gives the same bit for all training frames is left out.

    Raises:
        BadInputError: every feature is constant.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    low, high = frames.min(axis=0), frames.max(axis=0)
    if rule == "range":
        chosen = [_spread(frames, count)] * frames.shape[1]
    else:
        shares = [(i + 1) / (count + 1) for i in range(count)]
        quantiles = np.quantile(frames, shares, axis=0, method="higher")
        chosen = [sorted({int(value) for value in column}) for column in quantiles.T]
    source, threshold = [], []
    for feature, candidates in enumerate(chosen):
        kept = [value for value in candidates if low[feature] < value <= high[feature]]
        if not kept and rule == "quantiles" and low[feature] < high[feature]:
            kept = [
                int(
                    np.min(
                        frames[:, feature],
                        where=frames[:, feature] > low[feature],
                        initial=high[feature],
                    )
                )
            ]
        source += [feature] * len(kept)
        threshold += kept
    if not source:
        raise BadInputError(_CONSTANT)
    return np.array(source, np.int64), np.array(threshold, np.int64)


def rate_thresholds(frames: IntArray, steps: int) -> tuple[IntArray, IntArray]:
    """Return the (source, threshold) of a rate code, each ``[steps * features]``.

    A feature is compared with a pseudo-random threshold in each step: over many steps, the share of
    ones is how high it stands in the range of the training ``frames``. The numbers are those of a
    16-bit Galois LFSR, taps 0xB400, that starts as 0xACE1 and moves on by 16 bits for each
    threshold: first those of all features in the first step. Raises ``BadInputError`` if every
    feature has the same value in all frames.
    """
    low, high = int(frames.min()), int(frames.max())
    if low == high:
        raise BadInputError(_CONSTANT)
    state, numbers = 0xACE1, []
    for _ in range(steps * frames.shape[1]):
        for _ in range(16):
            state = state >> 1 ^ (0xB400 if state & 1 else 0)
        numbers.append(low + 1 + (state * (high - low) >> 16))
    return np.tile(np.arange(frames.shape[1]), steps), np.array(numbers, np.int64)


def image_thresholds(frames: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """Return the (source, threshold) of images, each ``[bits]``: a channel for each threshold.

    ``frames`` are integers ``[N, features]``; the thresholds, at most ``count``, are those of
    ``range``, and every feature has them all. Raises ``BadInputError`` if all frames are alike.
    """
    low, high = int(frames.min()), int(frames.max())
    spread = [threshold for threshold in _spread(frames, count) if low < threshold <= high]
    if not spread:
        raise BadInputError(_CONSTANT)
    features = frames.shape[1]
    return np.tile(np.arange(features), len(spread)), np.repeat(spread, features)


def _spread(frames: IntArray, count: int) -> list[int]:
    """Return up to ``count`` thresholds, evenly spread over the range of all features."""
    bottom, top = int(frames.min()), int(frames.max())
    parts = (-(-(i + 1) * (top - bottom + 1) // (count + 1)) for i in range(count))
    return sorted({bottom + part for part in parts})


_CONSTANT = "every feature has the same value in all training frames, so nothing can be learned"
