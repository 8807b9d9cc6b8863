"""Integer layers one after another, as a graph is read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from htaflow.model.importers.onnx.exact import Numbers, combine, common_divisor, each, unified
from htaflow.model.importers.onnx.steps import (
    Affine,
    Bound,
    Clamp,
    Staircase,
    Step,
    back,
    forth,
)
from htaflow.model.importers.onnx.tensor import Pool, Tensor, Unsupported, affine_of
from htaflow.model.integer.layers.dense import WEIGHT_BITS
from htaflow.model.integer.levels import MAX_LEVELS
from htaflow.model.integer.network import (
    Conv2d,
    Dense,
    Encode,
    Flatten,
    Layer,
    MaxPool2d,
    Quantise,
    SumPool2d,
    Threshold,
    Unflatten,
    Values,
)

_ZERO, _ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Tap:
    """Where a tensor of the graph is in the network.

    Attributes:
        tensor, node: the tensor, and a node that takes it.
        layer: the layer whose numbers it has, times ``scale`` plus ``offset``.
        axes: where the tensor has the axes of the layer's image, if channels do not come first.
    """

    tensor: str
    node: str
    layer: str
    scale: Numbers
    offset: Numbers
    axes: tuple[int, ...] | None = None


def _between(tensor: Tensor, pool: Pool, at: int) -> Sequence[Step]:
    """Return the steps between a pooling and the staircase that is step ``at``."""
    return tensor.steps[pool.steps : at] if pool.steps <= at else tensor.steps[at + 1 : pool.steps]


class Levels:
    """A quantiser: steps up to a staircase, whose integers become levels from 0 on.

    A channel whose level falls where what is pooled rises is turned round: its levels are counted
    from the top, and its scale is negative.

    Parameters:
        tensor: what is quantised.
        at: the number of its last staircase.
        values: the integers that it begins with.

    Attributes:
        first: the integer of the staircase that is level 0.
        count: the number of levels above it.
        size: how many channels differ; 1 if all are alike.
    """

    def __init__(self, tensor: Tensor, at: int, values: Values) -> None:
        self._head = tensor.steps[: at + 1]
        after = tensor.steps[at + 1 :]
        self.size = steps_size(tensor.steps)
        ends = [
            forth(self._head, Fraction(end), channel)
            for channel in range(self.size)
            for end in (values.low, values.high)
        ]
        low, high = min(ends), max(ends)
        scale, offset = affine_of(())
        for step in after:
            if isinstance(step, Clamp):
                low, high = _clamped(step, scale, offset, low, high)
            else:
                assert isinstance(step, Affine)
                scale, offset = affine_of((Affine(scale, offset), step))
        self._constant = low == high  # one level that is never reached
        self.first, self.count = int(low), max(1, int(high - low))
        self._scale, self._offset = scale, offset
        self._turned = [False] * self.size
        self._pooled = bool(tensor.pools)
        for channel in range(self.size):
            signs = {_sign(_between(tensor, pool, at), channel) for pool in tensor.pools} - {0}
            if len(signs) > 1:
                raise Unsupported("it pools what rises, and again what falls", "pool once")
            self._turned[channel] = signs == {-1} and not self._constant

    @property
    def affine(self) -> Affine:
        """What the levels stand for."""
        scales, offsets = [], []
        for channel in range(self.size):
            scale, offset = each(self._scale, channel), each(self._offset, channel)
            turned = self._turned[channel]
            scales.append(-scale if turned else scale)
            offsets.append(scale * (self.first + self.count * turned) + offset)
        return Affine(unified(scales), unified(offsets))

    def make_rising(self) -> None:
        """Turn channels round whose levels fall. Raises ``Unsupported`` if they are pooled."""
        for channel in range(self.size):
            if any(isinstance(b, Bound) and b.below for b in self.bounds(channel)):
                if self._pooled:
                    raise Unsupported(
                        "it pools what has a negative scale", "put the pooling behind a quantiser"
                    )
                self._turned[channel] = not self._turned[channel]

    def skip_the_middle(self) -> None:
        """Make one level of two that are always reached together."""
        lowest = combine(self._scale, self._offset, lambda a, b: a * self.first + b)
        self._offset, self._scale = lowest, tuple(2 * scale for scale in self._scale)
        self.first, self.count = 0, 1

    def bounds(self, channel: int) -> list[Bound | bool]:
        """Return for which integers each level, 1 and up, is reached."""
        if self._constant:
            return [False]
        found: list[Bound | bool] = []
        for k in range(1, self.count + 1):
            if not self._turned[channel]:
                found.append(back(self._head, Bound(Fraction(self.first + k)), channel))
                continue
            bound = back(self._head, Bound(Fraction(self.first + self.count - k + 1)), channel)
            found.append(not bound if isinstance(bound, bool) else bound.complement)
        return found

    def level(self, number: int, channel: int) -> int:
        """Return the level of an integer."""
        level = int(forth(self._head, Fraction(number), channel)) - self.first
        level = min(max(level, 0), self.count)
        return self.count - level if self._turned[channel] else level


def _clamped(
    clamp: Clamp, scale: Numbers, offset: Numbers, low: Fraction, high: Fraction
) -> tuple[Fraction, Fraction]:
    """Return the range ``low`` to ``high`` of integers n, if ``scale * n + offset`` is clamped."""
    found = set()
    for channel in range(max(len(scale), len(offset))):
        ends = []
        a, b = each(scale, channel), each(offset, channel)
        for end in (clamp.low, clamp.high):
            ends.append(None if end is None or a == 0 else (end - b) / a)
        if a < 0:
            ends.reverse()
        within = Clamp(*ends)
        found.add((within.forth(low, channel), within.forth(high, channel)))
    if len(found) > 1 or any(end.denominator != 1 for pair in found for end in pair):
        raise Unsupported(
            "it clips between two levels of its quantiser", "clip at a level, or before quantising"
        )
    return found.pop()


def _sign(steps: Sequence[Step], channel: int) -> int:
    """Return whether the result of ``steps`` rises (1) or falls (-1) with the number, or is 0."""
    sign = 1
    for step in steps:
        if isinstance(step, Affine):
            scale = each(step.scale, channel)
            sign *= (scale > 0) - (scale < 0)
    return sign


def steps_size(steps: Sequence[Step]) -> int:
    """Return how many channels differ in ``steps``; 1 if all are alike."""
    return max((step.size for step in steps), default=1)


def _require_all(tensor: Tensor) -> None:
    """Raise ``Unsupported`` if only some features are picked, and no comparison follows."""
    if tensor.picked is not None:
        raise Unsupported("it picks features", "compare each of them with a constant next")


def _edge(bound: Bound | bool) -> float:
    """Return where a bound is, in the sums of neurons whose weights are negated if it is below."""
    if isinstance(bound, bool):
        return -math.inf if bound else math.inf
    return -float(bound.value) if bound.below else float(bound.value)


def _above(bound: Bound | bool, values: Values) -> int:
    """Return the threshold of ``values`` that is reached within ``bound``."""
    if isinstance(bound, bool):
        return values.low if bound else values.high + 1
    return min(max(bound.integer, values.low), values.high + 1)


class Builder:
    """The integer network so far.

    Parameters:
        features: of a frame.
        bits: of a feature.
        signed: whether features are signed.

    Attributes:
        layers: in order.
        nodes: for each layer, by name, the node of the graph that it is made from.
        taps: where tensors of the graph are, in order.
        edges: the exact thresholds of a layer, rounded to floats, ``[rows, levels]``.
        node, tensor: the current node, and its input.
    """

    def __init__(self, features: int, bits: int, signed: bool) -> None:
        self.layers: list[Layer] = []
        self.nodes: dict[str, str] = {}
        self.taps: list[Tap] = []
        self.edges: dict[str, npt.NDArray[np.float64]] = {}
        self.node = self.tensor = ""
        self._first = Quantise("encode", features, bits, signed, bits)
        self._open = False
        """Whether the last layer sums, and may still take thresholds."""

    @property
    def values(self) -> Values:
        """What the last layer yields; before there is one, what the first would."""
        found = self._first.input
        for layer in self.layers or [self._first]:
            found = layer.output(found)
        return found

    def input(self, shape: tuple[int, ...], scale: Fraction, offset: Fraction) -> Tensor:
        """Return the graph's input: features times ``scale``, plus ``offset``."""
        low = self._first.input.low
        return Tensor(shape, 0, (Affine((scale,), (scale * low + offset,)),))

    def settle(self, tensor: Tensor) -> Tensor:
        """Put all steps of ``tensor`` but a last affine one into layers. Raises ``Unsupported``."""
        self._check_place(tensor)
        stairs = [at for at, step in enumerate(tensor.steps) if isinstance(step, Staircase)]
        if not stairs:
            _require_all(tensor)
            tensor = replace(tensor, steps=self._without_idle_clamps(tensor))
            return self._pooled(tensor) if tensor.pools else self._joined(tensor)
        levels = Levels(tensor, stairs[-1], self.values)
        if tensor.picked is not None or not self._is_identity(levels):
            self._add_thresholds(tensor, levels)
        done = replace(
            tensor, steps=(levels.affine,), pools=(), source=len(self.layers), picked=None
        )
        for pool in tensor.pools:
            self._add_pool(pool)
        if self.layers:
            scale, offset = affine_of(done.steps)
            name = self.layers[-1].name
            self.taps.append(Tap(self.tensor, self.node, name, scale, offset, tensor.axes))
        return replace(done, source=len(self.layers))

    def linear(
        self,
        tensor: Tensor,
        weights: npt.NDArray[np.int64],
        scale: Numbers,
        bias: Numbers,
        *,
        kernel: tuple[int, int] | None = None,
        out_shape: tuple[int, ...],
        **geometry: Any,
    ) -> Tensor:
        """Return sums: ``weights`` ``[out, in]`` times ``scale``, of each output or of all.

        With a ``kernel`` they are of windows; ``geometry`` is then that of a ``Conv2d``.
        """
        padding = geometry.get("padding", (0, 0))
        fill = 0.0
        if tensor.padding is not None:
            extra, fill = tensor.padding
            padding = (padding[0] + extra[0], padding[1] + extra[1])
            tensor = replace(tensor, padding=None)
        tensor = self.settle(tensor)
        scales, offsets = affine_of(tensor.steps)
        groups = geometry.get("groups", 1)
        pad = 0
        if any(padding):
            pad, tensor = self._padding_level(tensor, Fraction(fill))
            scales, offsets = affine_of(tensor.steps)
        unit = common_divisor(scales) or _ONE
        factors = np.array([int(one / unit) for one in scales], np.int64)
        out, taps = weights.shape
        pixels = prod(kernel) if kernel else 1
        per_group = taps // pixels
        if len(scales) > 1 or len(offsets) > 1 or factors[0] != 1:
            group_of = np.arange(out) * groups // out
            inputs = group_of[:, None] * per_group + np.arange(taps) // pixels
            used = factors[inputs] if len(factors) > 1 else factors[0]
            weighted = weights * used
        else:
            inputs, weighted = None, weights
        half = 1 << (WEIGHT_BITS - 1)
        if weighted.max(initial=0) >= half or weighted.min(initial=0) < -half:
            raise Unsupported(
                f"its weights are integers {weighted.min()}..{weighted.max()}, of more than "
                f"{WEIGHT_BITS} bits",
                "quantise them to fewer bits, and its inputs with one scale",
            )
        if len(offsets) == 1:
            shift = tuple(int(total) * offsets[0] for total in weights.sum(axis=1))
        else:
            assert inputs is not None
            shift = tuple(
                sum(
                    (int(w) * offsets[i] for w, i in zip(row, which, strict=True) if w),
                    _ZERO,
                )
                for row, which in zip(weights, inputs, strict=True)
            )
        incoming = self.values
        bipolar = incoming.is_bits and len(scales) == len(offsets) == 1 and offsets[0] == -unit / 2
        if bipolar:
            unit, shift = unit / 2, (_ZERO,)
        outputs = range(out)
        silent = ~weighted.any(axis=1)
        if silent.any():  # a neuron without an input: it gets one, which then counts nothing
            weighted = weighted.copy()
            weighted[silent, 0] = 1
        found_scale = tuple(_ZERO if silent[o] else each(scale, o) * unit for o in outputs)
        found_offset = tuple(each(scale, o) * each(shift, o) + each(bias, o) for o in outputs)
        inputs_kind: Literal["bipolar", "unipolar"] = "bipolar" if bipolar else "unipolar"
        if kernel is None:
            self._flatten()
            self._add(Dense(self._name("dense"), weighted, None, inputs_kind))
        else:
            self._unflatten(tensor.shape)
            options = {**geometry, "padding": padding, "pad_bit": pad}
            name = self._name("conv")
            self._add(Conv2d(name, kernel, weighted, None, inputs_kind, **options))
        self._open = True
        return Tensor(out_shape, len(self.layers), (Affine(found_scale, found_offset),))

    def sum_pool(
        self,
        tensor: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        out_shape: tuple[int, ...],
        *,
        padding: tuple[int, int] = (0, 0),
        average: bool = True,
    ) -> Tensor:
        """Return the sum of each window of ``kernel``, or the average: divided in what follows."""
        tensor = self.settle(tensor)
        scale, offset = affine_of(tensor.steps)
        self._unflatten(tensor.shape)
        self._add(SumPool2d(self._name("pool"), kernel, stride=stride, padding=padding))
        pixels = prod(kernel)
        if average:
            whole = Affine(tuple(one / pixels for one in scale), offset)
        else:
            whole = Affine(scale, tuple(one * pixels for one in offset))
        return Tensor(out_shape, len(self.layers), (whole,))

    def finish(self, tensor: Tensor) -> Tensor:
        """Settle the graph's output and make it flat."""
        if tensor.axes is not None or tensor.order is not None:
            raise Unsupported("its result is an image whose channels come last", "end with scores")
        tensor = self.settle(tensor)
        self._flatten()
        return replace(tensor, source=len(self.layers))

    @property
    def ends(self) -> list[tuple[int, int]]:
        """The least and the largest of each of the flat integers that the last layer yields."""
        layer, values = self.layers[-1], self.values
        if isinstance(layer, Dense) and layer.thresholds is None:
            low, high = layer.bounds_up_to(self._fed.high)
            return list(zip(low.tolist(), high.tolist(), strict=True))
        return [(values.low, values.high)] * values.count

    def append(self, layer: Layer) -> None:
        """Add a last layer."""
        self._add(layer)

    def _check_place(self, tensor: Tensor) -> None:
        if tensor.source != len(self.layers):
            raise Unsupported(
                "its input goes to other nodes, too (a skip or a branch)",
                "networks that branch cannot be imported yet: train a plain chain",
            )
        if tensor.padding is not None:
            raise Unsupported("its input is padded", "let a convolution follow the Pad")

    def _without_idle_clamps(self, tensor: Tensor) -> tuple[Step, ...]:
        """Return the steps, all affine, if the clamps among them change nothing."""
        kept: list[Step] = []
        values = self.values
        for step in tensor.steps:
            if isinstance(step, Clamp):
                for channel in range(steps_size(kept)):
                    for end in (values.low, values.high):
                        number = forth(kept, Fraction(end), channel)
                        if step.forth(number, channel) != number:
                            raise Unsupported(
                                "it takes an activation that is clipped, but not quantised",
                                "put a quantiser behind the activation",
                            )
            else:
                kept.append(step)
        return tuple(kept)

    def _joined(self, tensor: Tensor) -> Tensor:
        return replace(tensor, steps=(Affine(*affine_of(tensor.steps)),))

    def _pooled(self, tensor: Tensor) -> Tensor:
        """Pool integers that no quantiser follows."""
        scale, _ = affine_of(tensor.steps)
        if min(scale) < 0 or self.values.signed:
            raise Unsupported(
                "it takes the largest of sums that are not quantised",
                "put a quantiser in front of the pooling or behind it",
            )
        for pool in tensor.pools:
            self._add_pool(pool)
        return self._joined(replace(tensor, pools=(), source=len(self.layers)))

    def _is_identity(self, levels: Levels) -> bool:
        """Return whether the quantiser keeps every integer as it is, as one of pixels may."""
        values = self.values
        if self._open or values.low != 0 or values.high != levels.count > MAX_LEVELS:
            return False
        return all(
            levels.level(number, channel) == number
            for channel in range(levels.size)
            for number in range(values.high + 1)
        )

    def _add_thresholds(self, tensor: Tensor, levels: Levels) -> None:
        """Put the quantiser into the last layer, if that sums, or into one of its own."""
        if levels.count > MAX_LEVELS:
            raise Unsupported(
                f"its input is quantised to {levels.count + 1} levels",
                f"use at most 8 bits, {MAX_LEVELS + 1} levels",
            )
        if self._open and tensor.channels == self.values.shape[0]:
            self._into_sums(levels)
            return
        levels.make_rising()
        bounds = [levels.bounds(channel) for channel in range(levels.size)]
        values = self.values
        rows = np.array([[_above(b, values) for b in row] for row in bounds], np.int64)
        edges = np.array([[_edge(b) for b in row] for row in bounds])
        if not self.layers and tensor.picked is None and self._drops_bits(rows):
            return
        if not self.layers and levels.count == 1:
            self.edges[self._first.name] = edges + self._first.input.low
            features = self._first.features
            picked = np.arange(features) if tensor.picked is None else np.array(tensor.picked)
            thresholds = np.broadcast_to(rows[:, 0], picked.shape) + self._first.input.low
            first = self._first
            self._add(
                Encode(
                    first.name,
                    features,
                    first.feature_bits,
                    first.signed,
                    picked,
                    thresholds,
                )
            )
            return
        _require_all(tensor)
        image = len(tensor.shape) > 1
        if image and len(rows) > 1:
            self._unflatten(tensor.shape)
        elif not image and len(rows) > 1:
            self._flatten()
        name = self._name("level")
        self.edges[name] = edges
        self._add(Threshold(name, rows[:, 0] if levels.count == 1 else rows))

    def _drops_bits(self, rows: npt.NDArray[np.int64]) -> bool:
        """Begin with features without their lowest bits, if thresholds do just that."""
        first, kept = self._first, len(rows[0]).bit_length()
        step = 1 << max(0, first.feature_bits - kept)
        if kept < 2 or len(rows) > 1 or rows[0].tolist() != [k * step for k in range(1, 1 << kept)]:
            return False
        self._first = replace(first, bits=kept)
        self._begin()
        return True

    def _into_sums(self, levels: Levels) -> None:
        """Give the last layer, which sums, its thresholds."""
        layer = self.layers[-1]
        assert isinstance(layer, Dense | Conv2d)
        out = len(layer.weights)
        bounds = [levels.bounds(channel) for channel in range(out)]
        turned = np.array(
            [any(isinstance(b, Bound) and b.below for b in row) for row in bounds], np.bool_
        )
        weights = np.where(turned[:, None], -layer.weights.astype(np.int64), layer.weights)
        layer = replace(layer, weights=weights)
        neurons = layer if isinstance(layer, Dense) else layer.neurons
        low, high = neurons.bounds_up_to(self._fed.high)
        rows = np.empty((out, levels.count), np.int64)
        for o, row in enumerate(bounds):
            for k, bound in enumerate(row):
                if isinstance(bound, bool):
                    rows[o, k] = low[o] if bound else high[o] + 1
                else:
                    wanted = -bound.integer if bound.below else bound.integer
                    rows[o, k] = min(max(wanted, low[o]), high[o] + 1)
        self.edges[layer.name] = np.array([[_edge(b) for b in row] for row in bounds])
        if levels.count == 2 and (rows[:, 0] == rows[:, 1]).all():
            levels.skip_the_middle()
        self.layers[-1] = replace(layer, thresholds=rows[:, 0] if levels.count == 1 else rows)
        self._open = False

    @property
    def _fed(self) -> Values:
        """What the last layer is fed."""
        found = self._first.input
        for layer in self.layers[:-1]:
            found = layer.output(found)
        return found

    def _padding_level(self, tensor: Tensor, fill: Fraction) -> tuple[int, Tensor]:
        """Return the integer that stands for ``fill``, doubling levels if it is half one."""
        scale, offset = affine_of(tensor.steps)
        wanted = {
            (fill - each(offset, c)) / each(scale, c)
            for c in range(max(len(scale), len(offset)))
            if each(scale, c)
        }
        values = self.values
        if len(wanted) == 1:
            level = wanted.pop()
            if level.denominator == 2 and values.low < level < values.high:
                self._double()
                halved = Affine(tuple(one / 2 for one in scale), offset)
                tensor = replace(tensor, steps=(halved,))
                return int(level * 2), tensor
            if level.denominator == 1 and values.low <= level <= values.high:
                return int(level), tensor
        raise Unsupported(
            f"it pads with {float(fill):g}, which is none of the values that its input has",
            "pad with a value of the input's quantiser",
        )

    def _double(self) -> None:
        """Let the last layer with thresholds count each of them twice."""
        for at in reversed(range(len(self.layers))):
            layer = self.layers[at]
            if isinstance(layer, Dense | Conv2d | Threshold) and layer.thresholds is not None:
                rows = layer.thresholds.reshape(len(layer.thresholds), -1)
                if 2 * rows.shape[1] <= MAX_LEVELS:
                    doubled = np.repeat(rows, 2, axis=1)
                    self.layers[at] = replace(layer, thresholds=doubled)
                    names = {each.name for each in self.layers[at:]}
                    self.taps = [
                        replace(tap, scale=tuple(one / 2 for one in tap.scale))
                        if tap.layer in names
                        else tap
                        for tap in self.taps
                    ]
                    return
                break
            if not isinstance(layer, MaxPool2d | Unflatten | Flatten):
                break
        values = self.values
        levels = np.repeat(np.arange(values.low + 1, values.high + 1), 2)
        if len(levels) > MAX_LEVELS:
            raise Unsupported(
                "it pads with a value between two of its input's levels",
                "pad with a value of the input's quantiser",
            )
        self._add(Threshold(self._name("level"), levels[None]))

    def _add_pool(self, pool: Pool) -> None:
        self._unflatten(pool.shape)
        self._add(
            MaxPool2d(self._name("pool"), pool.kernel, stride=pool.stride, padding=pool.padding)
        )

    def _unflatten(self, shape: tuple[int, ...]) -> None:
        self._begin()
        if len(self.values.shape) == 1:
            channels, height, width = shape
            self._add(Unflatten(self._name("image"), (channels, height, width)))

    def _flatten(self) -> None:
        self._begin()
        if len(self.values.shape) > 1:
            self._add(Flatten(self._name("flat")))

    def _begin(self) -> None:
        """Put the first layer, which takes features as they are."""
        if not self.layers:
            self.nodes[self._first.name] = "input"
            self.layers.append(self._first)

    def _add(self, layer: Layer) -> None:
        if not isinstance(layer, Encode):
            self._begin()
        self.layers.append(layer)
        self.nodes[layer.name] = self.node
        self._open = False

    def _name(self, kind: str) -> str:
        number = 1
        while f"{kind}{number}" in self.nodes:
            number += 1
        return f"{kind}{number}"
