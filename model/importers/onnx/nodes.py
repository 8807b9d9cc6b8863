"""What each operator does to the tensors of a graph: one function an operator.

Each takes the state of the import, the node, and its inputs; it returns the node's output, or
raises ``Unsupported``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.importers.onnx.builder import Builder
from htaflow.model.importers.onnx.constants import as_integers, bipolar, quantised
from htaflow.model.importers.onnx.exact import Numbers, combine, exact, root
from htaflow.model.importers.onnx.graph import Graph, Node
from htaflow.model.importers.onnx.steps import (
    ROUNDING,
    Affine,
    Clamp,
    Count,
    Round,
    Sign,
    Staircase,
    Step,
)
from htaflow.model.importers.onnx.tensor import Constant, Pool, Tensor, Unsupported, affine_of

Value = Tensor | Constant

_ONE, _ZERO = (Fraction(1),), (Fraction(0),)


class State:
    """An import under way: the graph, and the layers so far."""

    def __init__(self, graph: Graph, builder: Builder) -> None:
        self.graph = graph
        self.builder = builder
        self.final: list[str] = []
        """Operators that only say how scores are shown, and so were left out."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor, without the batch."""
        shape = self.graph.shapes.get(name)
        if shape is None:
            raise Unsupported("the shape of its output is not known", "export it again")
        return shape[1:]


Handler = Callable[[State, Node, Sequence[Value | None]], Value]

HANDLERS: dict[str, Handler] = {}
"""Every operator that is understood."""

LIMITS: dict[str, str] = {}
"""What of each operator is understood, in words, for the documentation."""


def _handles(*ops: str, limits: str = "") -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for op in ops:
            HANDLERS[op] = handler
            LIMITS[op] = limits
        return handler

    return register


def _tensor(value: Value | None) -> Tensor:
    if not isinstance(value, Tensor):
        raise Unsupported("its first input is a constant", "fold it when exporting")
    return value


def _constant(value: Value | None, what: str) -> Constant:
    if not isinstance(value, Constant):
        raise Unsupported(f"its {what} depends on the frame", "export constants")
    return value


def _scalar(value: Value | None, what: str) -> float:
    found = _constant(value, what).value
    if found.size != 1:
        raise Unsupported(f"its {what} is no single number", "use one")
    return float(found.reshape(()))


def _by_channel(constant: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[Any]:
    """Return a constant that is combined with ``tensor`` as ``[1]`` or ``[channels]`` numbers."""
    shape = (1, *tensor.graph_shape)
    if constant.size == 1:
        return constant.reshape(1)
    try:
        whole = np.broadcast_to(constant, shape)[0]
    except ValueError:
        raise Unsupported(
            f"a constant of shape {list(constant.shape)} meets {list(shape)}", "use one a channel"
        ) from None
    if tensor.axes is not None:
        whole = whole.transpose(np.argsort(tensor.axes))
    if tensor.order is not None:
        whole = whole[np.argsort(tensor.order)]
    by_channel = whole.reshape(tensor.channels, -1)
    if not (by_channel == by_channel[:, :1]).all():
        raise Unsupported("a constant differs between pixels", "use one number a channel")
    return np.asarray(by_channel[:, 0])


def _channels_first(tensor: Tensor) -> None:
    """Raise ``Unsupported`` if an image's channels do not come first in the graph."""
    if tensor.axes is not None:
        raise Unsupported("the channels of its image do not come first", "transpose it back first")


def _step(tensor: Tensor, step: Step) -> Tensor:
    if tensor.padding is not None:
        raise Unsupported("it changes a padded image", "let a convolution follow the Pad")
    return tensor.then(step)


@_handles("Mul", "Div", "Add", "Sub", limits="with a constant, one for all or one a channel")
def _arithmetic(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    one, other = inputs[:2]
    if isinstance(one, Constant) and isinstance(other, Constant):
        how = {"Mul": np.multiply, "Div": np.divide, "Add": np.add, "Sub": np.subtract}[node.op]
        return Constant(how(one.value, other.value))
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        raise Unsupported("it joins two branches", "networks that branch cannot be imported yet")
    swapped = isinstance(one, Constant)
    tensor, constant = (other, one) if swapped else (one, other)
    tensor, number = (
        _tensor(tensor),
        exact(_by_channel(_constant(constant, "factor").value, tensor)),
    )
    negative: Numbers = tuple(-n for n in number)
    if node.op == "Mul":
        return _step(tensor, Affine(number, _ZERO))
    if node.op == "Add":
        return _step(tensor, Affine(_ONE, number))
    if node.op == "Sub":
        step = Affine((Fraction(-1),), number) if swapped else Affine(_ONE, negative)
        return _step(tensor, step)
    if swapped:
        raise Unsupported("it divides by what depends on the frame", "multiply instead")
    if any(n == 0 for n in number):
        raise Unsupported("it divides by 0", "correct the constant")
    return _step(tensor, Affine(tuple(1 / n for n in number), _ZERO))


@_handles("Neg")
def _negate(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    return _step(_tensor(inputs[0]), Affine((Fraction(-1),), _ZERO))


@_handles("BatchNormalization", limits="as trained, not in training mode")
def _batch_norm(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    gamma, beta, mean, variance = (
        exact(_constant(value, "parameter").value) for value in inputs[1:5]
    )
    epsilon = Fraction(float(np.float32(node.attributes.get("epsilon", 1e-5))))
    _channels_first(tensor)
    if tensor.order is not None:
        gamma, beta, mean, variance = (
            tuple(numbers[at] for at in np.argsort(tensor.order))
            for numbers in (gamma, beta, mean, variance)
        )
    if len(gamma) != tensor.channels:
        raise Unsupported(
            f"it normalises {len(gamma)} channels of {tensor.channels}", "normalise channels"
        )
    scale = tuple(g / root(v + epsilon) for g, v in zip(gamma, variance, strict=True))
    shift = tuple(b - s * m for b, s, m in zip(beta, scale, mean, strict=True))
    return _step(tensor, Affine(scale, shift))


@_handles("Relu")
def _relu(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    return _step(_tensor(inputs[0]), Clamp(Fraction(0)))


@_handles("Clip", limits="constant ends")
def _clip(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    ends: list[Fraction | None] = []
    for at, name in enumerate(("min", "max"), 1):
        value = inputs[at] if len(inputs) > at else None
        number = node.attributes.get(name) if value is None else _scalar(value, name)
        ends.append(None if number is None or not np.isfinite(number) else Fraction(float(number)))
    value = inputs[0]
    if isinstance(value, Constant):  # integers behind a QuantizeLinear
        low, high = (None if end is None else float(end) for end in ends)
        clipped = np.clip(value.value, low, high)
        if value.integers is None or not np.all(value.scale == 1):
            return Constant(clipped)
        return Constant(clipped, clipped.astype(np.int64), value.scale)
    return _step(_tensor(inputs[0]), Clamp(*ends))


@_handles("Identity", "Dropout", "Cast")
def _unchanged(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    value = inputs[0]
    if value is None:
        raise Unsupported("it has no input", "export it again")
    return value


@_handles("Softmax", "LogSoftmax", limits="at the end: the order of scores does not change")
def _softmax(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    if node.outputs[0] != state.graph.output:
        raise Unsupported("it is no function of one value", "use it at the end alone")
    state.final.append(node.op)
    return _tensor(inputs[0])


@_handles("Quant", "IntQuant", limits="up to 8 bits; rounding as QONNX has it")
def _quant(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    scale = _constant(inputs[1], "scale").value.astype(np.float32)
    zero = _constant(inputs[2], "zero point").value.astype(np.float32)
    bits = _scalar(inputs[3], "bit width")
    signed = bool(node.attributes.get("signed", 1))
    narrow = bool(node.attributes.get("narrow", 0))
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDING:
        raise Unsupported(f"its rounding mode is {mode}", f"use one of {', '.join(ROUNDING)}")
    if bits != int(bits) or bits < 1:
        raise Unsupported(f"its bit width is {bits:g}", "use a whole number")
    value = inputs[0]
    if isinstance(value, Constant):
        return quantised(value, scale, zero, bits, signed=signed, narrow=narrow, mode=mode)
    tensor = _tensor(value)
    unit, shift = exact(_by_channel(scale, tensor)), exact(_by_channel(zero, tensor))
    if bits == 1 and signed:
        tensor = _step(tensor, Affine(tuple(1 / s for s in unit), shift))
        tensor = _step(tensor, Count(((Fraction(0),),)))
        tensor = _step(tensor, Affine((Fraction(2),), (Fraction(-1),)))
        return _step(tensor, Affine(unit, combine(unit, shift, lambda a, b: -a * b)))
    high = (1 << int(bits) - signed) - 1 - (narrow and not signed)
    low = -(1 << int(bits) - 1) + narrow if signed else 0
    return _quantise(tensor, unit, shift, low, high, mode)


def _quantise(
    tensor: Tensor, scale: Numbers, zero: Numbers, low: int, high: int, mode: str = "ROUND"
) -> Tensor:
    """Return ``tensor`` divided by ``scale``, rounded, clipped, and multiplied again."""
    for step in (
        Affine(tuple(1 / s for s in scale), zero),
        Clamp(Fraction(low), Fraction(high)),
        Round(mode),
        Affine(scale, combine(scale, zero, lambda a, b: -a * b)),
    ):
        tensor = _step(tensor, step)
    return tensor


@_handles("BipolarQuant")
def _bipolar(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    scale = _constant(inputs[1], "scale").value.astype(np.float32)
    value = inputs[0]
    if isinstance(value, Constant):
        return bipolar(value, scale)
    tensor = _tensor(value)
    unit = exact(_by_channel(scale, tensor))
    tensor = _step(tensor, Count(((Fraction(0),),)))
    return _step(tensor, Affine(tuple(2 * s for s in unit), tuple(-s for s in unit)))


@_handles("Sign", limits="three levels where a sum can be 0")
def _sign(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    value = inputs[0]
    if isinstance(value, Constant):
        integers = np.sign(value.value).astype(np.int64)
        return Constant(np.sign(value.value), integers, np.ones(integers.shape, np.float32))
    return _step(_step(_tensor(value), Sign()), Affine(_ONE, (Fraction(-1),)))


@_handles("Trunc", limits="versions 1 and 2 of QONNX")
def _trunc(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    scale = exact(_by_channel(_constant(inputs[1], "scale").value, tensor))
    zero = exact(_by_channel(_constant(inputs[2], "zero point").value, tensor))
    mode = str(node.attributes.get("rounding_mode", "FLOOR")).upper()
    bits_in = _scalar(inputs[3], "input bit width")
    if len(inputs) < 6:
        bits_out = _scalar(inputs[4], "output bit width")
        shift, ends, output = 2 ** int(bits_in - bits_out), None, scale
    else:
        wide = _constant(inputs[4], "output scale").value
        output = exact(_by_channel(wide, tensor))
        shift = 2 ** int(np.round(np.log2(float(output[0] / scale[0]))))
        bits = int(_scalar(inputs[5], "output bit width"))
        signed, narrow = (
            bool(node.attributes.get(k, d)) for k, d in (("signed", 1), ("narrow", 0))
        )
        high = (1 << bits - signed) - 1 - (narrow and not signed)
        ends = Clamp(Fraction(-(1 << bits - 1) + narrow if signed else 0), Fraction(high))
    part = Fraction(1, shift)
    steps: list[Step] = [Affine(tuple(1 / s for s in scale), zero), Round()]
    steps.append(Affine((part,), _ZERO))
    steps += [ends] if ends else []
    steps.append(Round(mode))
    if ends is None:
        steps.append(Affine(output, combine(output, zero, lambda a, b: -a * b)))
    else:
        steps.append(Affine(output, combine(output, zero, lambda a, b: -a * b * part)))
    for step in steps:
        tensor = _step(tensor, step)
    return tensor


@_handles("MultiThreshold", limits="channels first; out_scale and out_bias")
def _multi_threshold(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    thresholds = _constant(inputs[1], "thresholds").value
    last = str(node.attributes.get("data_layout", "")).endswith("C") and len(tensor.shape) > 1
    if last != (tensor.axes is not None and tensor.axes[-1] == 0):
        raise Unsupported("its channels are on another axis than the image's", "export it again")
    if tensor.order is not None and len(thresholds) > 1:
        thresholds = thresholds[np.argsort(tensor.order)]
    if thresholds.ndim != 2 or len(thresholds) not in (1, tensor.channels):
        raise Unsupported(
            f"its thresholds have shape {list(thresholds.shape)}", "use [channels, levels]"
        )
    rows = tuple(exact(np.sort(row)) for row in thresholds)
    scale = Fraction(float(np.float32(node.attributes.get("out_scale", 1.0))))
    bias = Fraction(float(np.float32(node.attributes.get("out_bias", 0.0))))
    return _step(_step(tensor, Count(rows)), Affine((scale,), (bias,)))


@_handles("QuantizeLinear", limits="8 bits; narrower ones by a Clip behind it")
def _quantize_linear(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    scale, zero, low, high = _linear_scale(state, node, inputs)
    value = inputs[0]
    if isinstance(value, Constant):
        axis = _axis_shape(scale, value.value, int(node.attributes.get("axis", 1)))
        integers = np.clip(np.round(value.value / axis(scale)) + axis(zero), low, high)
        return Constant(integers, integers.astype(np.int64), np.ones(integers.shape, np.float32))
    tensor = _tensor(value)
    unit, shift = exact(_by_axis(scale, tensor, node)), exact(_by_axis(zero, tensor, node))
    for step in (
        Affine(tuple(1 / s for s in unit), shift),
        Round(),
        Clamp(Fraction(low), Fraction(high)),
    ):
        tensor = _step(tensor, step)
    return tensor


@_handles("DequantizeLinear")
def _dequantize_linear(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    scale, zero, _, _ = _linear_scale(state, node, inputs)
    value = inputs[0]
    if isinstance(value, Constant):
        axis = _axis_shape(scale, value.value, int(node.attributes.get("axis", 1)))
        integers = (value.value.astype(np.int64) - axis(zero)).astype(np.int64)
        wide = np.broadcast_to(axis(scale), integers.shape)
        return Constant(integers * wide, integers, wide)
    tensor = _tensor(value)
    unit, shift = exact(_by_axis(scale, tensor, node)), exact(_by_axis(zero, tensor, node))
    return _step(tensor, Affine(unit, combine(unit, shift, lambda a, b: -a * b)))


def _linear_scale(
    state: State, node: Node, inputs: Sequence[Value | None]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int, int]:
    """Return scale, zero point, and the ends of the integer type."""
    scale = _constant(inputs[1], "scale").value.astype(np.float32)
    if len(inputs) > 2 and inputs[2] is not None:
        zero = _constant(inputs[2], "zero point").value
    else:
        zero = np.zeros(scale.shape, np.uint8)
    if zero.dtype.kind not in "iu":
        raise Unsupported(f"its zero point is {zero.dtype}", "use integers")
    ends = np.iinfo(zero.dtype)
    return scale, zero.astype(np.int64), int(ends.min), int(ends.max)


def _axis_shape(scale: npt.NDArray[Any], value: npt.NDArray[Any], axis: int) -> Any:
    """Return what gives numbers along ``axis`` a shape that is combined with ``value``."""
    if scale.size == 1:
        return lambda numbers: numbers.reshape(())
    shape = [1] * value.ndim
    shape[axis] = -1
    return lambda numbers: numbers.reshape(shape)


def _by_axis(numbers: npt.NDArray[Any], tensor: Tensor, node: Node) -> npt.NDArray[Any]:
    if numbers.size > 1 and (tensor.axes is not None or tensor.order is not None):
        raise Unsupported("its scales are those of channels that do not come first", "use one")
    if numbers.size > 1 and int(node.attributes.get("axis", 1)) not in (1, -len(tensor.shape)):
        raise Unsupported("its scales are not those of channels", "quantise by channel")
    return numbers.reshape(-1)


@_handles("Reshape", "Flatten", "Squeeze", "Unsqueeze", limits="frames stay apart")
def _reshape(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    value = inputs[0]
    if isinstance(value, Constant):
        shape = state.graph.shapes.get(node.outputs[0])
        if shape is None:
            raise Unsupported("the shape of its output is not known", "export it again")
        return value.mapped(lambda array: array.reshape(shape))
    tensor = _tensor(value)
    shape = state.shape(node.outputs[0])
    if len(shape) == 2:  # one dimension of an image is a row
        shape = (shape[0], 1, shape[1])
    if len(shape) not in (1, 3):
        raise Unsupported(f"its output has shape {list(shape)}", "use features or an image")
    quantised = any(isinstance(step, Staircase) for step in tensor.steps)
    if shape != tensor.shape and (tensor.pools or (quantised and len(tensor.shape) > 1)):
        tensor = state.builder.settle(tensor)  # while it is an image
    return tensor.reshaped(shape)


@_handles("Transpose", limits="of constants, and of images between channels first and last")
def _transpose(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    value = inputs[0]
    order = node.attributes.get("perm")
    if isinstance(value, Constant):
        return value.mapped(lambda array: array.transpose(order))
    tensor = _tensor(value)
    if len(tensor.shape) != 3 or order is None or len(order) != 4 or order[0] != 0:
        raise Unsupported("it changes the order of values", "transpose images alone")
    return tensor.transposed(tuple(int(axis) - 1 for axis in order[1:]))


@_handles("MatMul", "Gemm", limits="with constant quantised weights")
def _dense(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    weights = _constant(inputs[1], "weight")
    if node.attributes.get("transA"):
        raise Unsupported("it transposes the frame", "export transA = 0")
    if not node.attributes.get("transB"):
        weights = weights.mapped(lambda array: array.T)
    if weights.value.ndim != 2 or len(tensor.shape) > 1:
        raise Unsupported("it multiplies what is no list of features", "flatten it first")
    if tensor.order is not None:
        places = np.argsort(tensor.order)
        weights = weights.mapped(lambda array: array[:, places])
        tensor = replace(tensor, order=None)
    integers, scale = as_integers(weights)
    alpha = Fraction(float(node.attributes.get("alpha", 1.0)))
    bias: Numbers = _ZERO
    if len(inputs) > 2 and inputs[2] is not None:
        beta = Fraction(float(node.attributes.get("beta", 1.0)))
        bias = tuple(beta * b for b in exact(_constant(inputs[2], "bias").value))
    unit = tuple(alpha * s for s in exact(scale))
    return state.builder.linear(tensor, integers, unit, bias, out_shape=(len(integers),))


@_handles("Conv", limits="constant quantised weights, dilation 1, equal padding on both sides")
def _conv(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    weights = _constant(inputs[1], "weight")
    rows = weights.value.ndim == 3  # a 1-D convolution
    kernel = _pair(weights.value.shape[2:], rows, 1)
    if any(d != 1 for d in node.attributes.get("dilations", ())):
        raise Unsupported("its windows have gaps (dilation)", "use dilation 1")
    integers, scale = as_integers(weights)
    bias: Numbers = _ZERO
    if len(inputs) > 2 and inputs[2] is not None:
        bias = exact(_constant(inputs[2], "bias").value)
    if len(tensor.shape) == 2:
        tensor = tensor.reshaped((tensor.shape[0], 1, tensor.shape[1]))
    if len(tensor.shape) != 3:
        raise Unsupported("it is fed what is no image", "reshape it first")
    _channels_first(tensor)
    return state.builder.linear(
        tensor,
        integers.reshape(len(integers), -1),
        exact(scale),
        bias,
        kernel=kernel,
        stride=_pair(node.attributes.get("strides", (1, 1)), rows, 1),
        padding=_padding(node, rows),
        groups=int(node.attributes.get("group", 1)),
        out_shape=_image(state.shape(node.outputs[0])),
    )


def _image(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _pair(numbers: Sequence[int], rows: bool, fill: int) -> tuple[int, int]:
    """Return two numbers, height and width; of a 1-D operator the width alone is given."""
    if rows or len(numbers) == 1:
        return fill, int(numbers[-1])
    return int(numbers[0]), int(numbers[1])


def _padding(node: Node, rows: bool) -> tuple[int, int]:
    """Return (rows, columns) of padding on each side."""
    if node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Unsupported("its padding is automatic (auto_pad)", "export explicit pads")
    pads = list(node.attributes.get("pads", [0] * 4))
    half = len(pads) // 2
    if pads[:half] != pads[half:]:
        raise Unsupported(f"its padding differs between sides, {pads}", "pad both sides alike")
    return _pair(pads[:half], rows or half == 1, 0)


@_handles("Pad", limits="a constant, both sides alike, in front of a convolution")
def _pad(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    if node.attributes.get("mode", "constant") != "constant":
        raise Unsupported(f"its mode is {node.attributes['mode']}", "pad with a constant")
    pads = node.attributes.get("pads")
    if pads is None:
        pads = _constant(inputs[1], "padding").value.reshape(-1).tolist()
    value = node.attributes.get("value", 0.0)
    if len(inputs) > 2 and inputs[2] is not None:
        value = _scalar(inputs[2], "value")
    half = len(pads) // 2
    if pads[:half] != pads[half:] or any(pads[:2]) or half not in (3, 4):
        raise Unsupported(f"it pads {pads}", "pad rows and columns, both sides alike")
    pair = (0, int(pads[2])) if half == 3 else (int(pads[2]), int(pads[3]))
    if tensor.padding is not None:
        raise Unsupported("it pads twice", "pad once")
    return replace(tensor, padding=(pair, float(value))) if any(pair) else tensor


@_handles("MaxPool", limits="dilation 1, equal padding on both sides, no ceil_mode")
def _max_pool(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    if node.attributes.get("ceil_mode"):
        raise Unsupported("it rounds sizes up (ceil_mode)", "use ceil_mode 0")
    if any(d != 1 for d in node.attributes.get("dilations", ())):
        raise Unsupported("its windows have gaps (dilation)", "use dilation 1")
    rows = len(node.attributes["kernel_shape"]) == 1
    kernel = _pair(node.attributes["kernel_shape"], rows, 1)
    strides = node.attributes.get("strides", (1,) * (1 if rows else 2))
    _channels_first(tensor)
    if tensor.padding is not None or len(tensor.shape) != 3:
        raise Unsupported("it pools a padded image, or none", "let a convolution follow the Pad")
    pool = Pool(
        tensor.shape, len(tensor.steps), kernel, _pair(strides, rows, 1), _padding(node, rows)
    )
    return replace(tensor, shape=_image(state.shape(node.outputs[0])), pools=(*tensor.pools, pool))


@_handles("AveragePool", "GlobalAveragePool", limits="without padding")
def _average_pool(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    _channels_first(tensor)
    if len(tensor.shape) != 3:
        raise Unsupported("it pools what is no image", "reshape it first")
    if node.op == "GlobalAveragePool":
        kernel = stride = (tensor.shape[1], tensor.shape[2])
    else:
        rows = len(node.attributes["kernel_shape"]) == 1
        kernel = _pair(node.attributes["kernel_shape"], rows, 1)
        strides = node.attributes.get("strides", (1,) * (1 if rows else 2))
        stride = _pair(strides, rows, 1)
        if any(_padding(node, rows)) or node.attributes.get("ceil_mode"):
            raise Unsupported("it pads its input", "pool without padding")
    shape = _image(state.shape(node.outputs[0]))
    return state.builder.sum_pool(tensor, kernel, stride, shape)


@_handles("LpPool", limits="the sum: p = 1, of what is not negative; padding of 0")
def _sum_pool(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    if int(node.attributes.get("p", 2)) != 1 or node.attributes.get("ceil_mode"):
        raise Unsupported("it is no sum", "use p = 1, without ceil_mode")
    if len(tensor.shape) != 3 or len(node.attributes["kernel_shape"]) != 2:
        raise Unsupported("it pools what is no image", "reshape it first")
    _channels_first(tensor)
    tensor = state.builder.settle(tensor)
    scale, offset = affine_of(tensor.steps)
    if state.builder.values.signed or min(scale) < 0 or min(offset) < 0:
        raise Unsupported("it sums magnitudes of what may be negative", "use AveragePool")
    padding = _padding(node, rows=False)
    if any(padding) and any(offset):
        raise Unsupported("it pads with 0 what has no 0", "pool without padding")
    height, width = node.attributes["kernel_shape"]
    strides = _pair(node.attributes.get("strides", (1, 1)), False, 1)
    shape = state.shape(node.outputs[0])
    kernel = int(height), int(width)
    return state.builder.sum_pool(tensor, kernel, strides, shape, padding=padding, average=False)


@_handles("Gather", limits="of features, at the input, each then compared with a constant")
def _gather(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    tensor = _tensor(inputs[0])
    indices = _constant(inputs[1], "list of indices").value
    if tensor.source or len(tensor.shape) > 1 or tensor.pools or indices.ndim != 1:
        raise Unsupported("it picks values inside the network", "pick features at the input alone")
    if int(node.attributes.get("axis", 0)) != 1 or any(step.size > 1 for step in tensor.steps):
        raise Unsupported("it picks no features", "use axis 1")
    count = tensor.shape[0]
    chosen = np.where(indices < 0, indices + count, indices)
    if len(chosen) == 0 or chosen.min() < 0 or chosen.max() >= count:
        raise Unsupported("it picks what is not there", "use indices of features")
    before = np.arange(count) if tensor.picked is None else np.array(tensor.picked)
    return replace(tensor, shape=(len(chosen),), picked=tuple(before[chosen].tolist()))


@_handles("ArgMax", "TopK", limits="at the end: the class")
def _arg_max(state: State, node: Node, inputs: Sequence[Value | None]) -> Value:
    return _tensor(inputs[0])


def node_table() -> str:
    """Return the operators that are understood and their limits, as rows of Markdown."""
    by_limits: dict[tuple[Handler, str], list[str]] = {}
    for op, handler in HANDLERS.items():
        by_limits.setdefault((handler, LIMITS[op]), []).append(op)
    rows = ((", ".join(f"`{op}`" for op in ops), limits) for (_, limits), ops in by_limits.items())
    return "".join(f"| {ops} | {limits} |\n" for ops, limits in sorted(rows))
