"""An integer network as a QONNX graph, whose execution gives golden's numbers exactly.

Integers are floats in the graph. Single precision holds them below 2**24; what does not stay below
is refused.
"""

from collections.abc import Callable, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.importers.onnx.graph import INSTALL
from htaflow.model.integer.network import (
    ArgMax,
    Conv2d,
    Dense,
    Encode,
    Flatten,
    GroupSum,
    IntArray,
    Layer,
    MaxPool2d,
    Network,
    Quantise,
    Scale,
    SumPool2d,
    Threshold,
    Unflatten,
    Values,
)
from htaflow.model.support.errors import BadInputError, MissingToolError
from htaflow.model.support.files import write_atomic

DOMAIN = "qonnx.custom_op.general"
OPSET, QONNX_VERSION, IR_VERSION = 17, 1, 8
_EXACT = 1 << 24


def export_qonnx(network: Network, path: str | Path) -> None:
    """Write ``network`` to ``path`` as an ONNX graph of one frame, in the dialect of QONNX.

    The input is ``[1, features]``, integers as floats; the output has the scores, from which a
    class is the index of the largest, or the bits of the last layer.

    Raises:
        BadInputError: some layers have no form in QONNX; all of them are named.
        MissingToolError: onnx is not installed.
    """
    try:
        from onnx import TensorProto, helper
    except ImportError:
        raise MissingToolError(
            f"writing ONNX takes the package onnx; install it: {INSTALL}"
        ) from None
    problems = [
        f"layer '{layer.name}': a {layer.type} has no form in QONNX"
        for layer in network.layers
        if write.dispatch(type(layer)) is write.dispatch(object)
    ]
    large = [
        f"layer '{name}': its numbers, {values}, are more than single precision holds exactly"
        for name, values in network.values.items()
        if max(abs(values.low), abs(values.high)) >= _EXACT
    ]
    if problems or large:
        raise BadInputError(
            f"network '{network.name}' cannot be exported: " + "; ".join([*problems, *large])
        )
    graph = GraphWriter()
    values = network.input
    for layer in network.layers:
        graph.layer = layer.name
        write(layer, graph, values)
        values = layer.output(values)
    features = helper.make_tensor_value_info(
        "features", TensorProto.FLOAT, [1, network.input.count]
    )
    last = network.layers[-2] if isinstance(network.layers[-1], ArgMax) else network.layers[-1]
    yielded = [1, *network.values[last.name].shape]
    result = helper.make_tensor_value_info(graph.tensor, TensorProto.FLOAT, yielded)
    made = helper.make_graph(graph.nodes, network.name, [features], [result], graph.constants)
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, QONNX_VERSION)]
    model = helper.make_model(
        made, opset_imports=imports, ir_version=IR_VERSION, producer_name="htaflow"
    )
    write_atomic(Path(path), model.SerializeToString())


class GraphWriter:
    """A graph in the making.

    Attributes:
        nodes, constants: so far.
        tensor: what the last node yields.
        layer: the layer that is being written; nodes bear its name.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.tensor = "features"
        self.layer = ""

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"{self.layer}_constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        """Add a node and return what it yields."""
        from onnx import helper

        name = f"{self.layer}_{op}{len(self.nodes)}"
        node = helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def then(self, op: str, *more: str, domain: str = "", **attributes: Any) -> None:
        """Add a node that takes what the last one yields."""
        self.tensor = self.node(op, [self.tensor, *more], domain, **attributes)

    def thresholds(self, thresholds: IntArray) -> None:
        """Count the thresholds reached, ``[rows, levels]`` or ``[rows]``."""
        rows = thresholds.reshape(len(thresholds), -1)
        self.then(
            "MultiThreshold",
            self.constant(rows),
            domain=DOMAIN,
            out_dtype=f"UINT{max(1, rows.shape[1].bit_length())}",
        )

    def weights(self, weights: npt.NDArray[Any]) -> str:
        """Add quantised weights: integers of 8 bits, of scale 1."""
        raw = self.constant(weights)
        scale, zero, bits = self.constant(1.0), self.constant(0.0), self.constant(8.0)
        return self.node(
            "Quant", [raw, scale, zero, bits], DOMAIN, signed=1, narrow=0, rounding_mode="ROUND"
        )

    def bipolar(self, layer: Dense | Conv2d) -> None:
        """Make bits -1 and 1 where ``layer`` takes them so."""
        if layer.inputs == "bipolar":
            self.then("Mul", self.constant(2.0))
            self.then("Sub", self.constant(1.0))


@singledispatch
def write(layer: Layer, graph: GraphWriter, values: Values) -> None:
    """Add what ``layer`` does with ``values`` to ``graph``."""
    raise NotImplementedError(f"a {layer.type} has no form in QONNX")


@write.register
def _(layer: Quantise, graph: GraphWriter, values: Values) -> None:
    dropped = layer.feature_bits - layer.bits
    if dropped:
        steps = values.low + (np.arange(1, 1 << layer.bits) << dropped)
        graph.thresholds(steps.reshape(1, -1))
    elif values.low:
        graph.then("Sub", graph.constant(float(values.low)))


@write.register
def _(layer: Encode, graph: GraphWriter, values: Values) -> None:
    if not np.array_equal(layer.source, np.arange(layer.features)):
        graph.then("Gather", graph.constant(layer.source, np.int64), axis=1)
    graph.thresholds(layer.threshold)


@write.register
def _(layer: Dense, graph: GraphWriter, values: Values) -> None:
    graph.bipolar(layer)
    graph.then("Gemm", graph.weights(layer.weights), transB=1)
    if layer.thresholds is not None:
        graph.thresholds(layer.thresholds)


@write.register
def _(layer: Conv2d, graph: GraphWriter, values: Values) -> None:
    graph.bipolar(layer)
    fill = 2 * layer.pad_bit - 1 if layer.inputs == "bipolar" else layer.pad_bit
    pads = list(layer.padding)
    if any(pads) and fill:
        around = [0, 0, *pads, 0, 0, *pads]
        graph.then("Pad", graph.constant(around, np.int64), graph.constant(float(fill)))
        pads = [0, 0]
    shape = (len(layer.weights), values.shape[0] // layer.groups, *layer.kernel)
    graph.then(
        "Conv",
        graph.weights(layer.weights.reshape(shape)),
        kernel_shape=list(layer.kernel),
        strides=list(layer.stride),
        pads=[*pads, *pads],
        group=layer.groups,
    )
    if layer.thresholds is not None:
        graph.thresholds(layer.thresholds)


def _pool(op: str, **more: Any) -> Callable[[Any, GraphWriter, Values], None]:
    def pool(layer: MaxPool2d | SumPool2d, graph: GraphWriter, values: Values) -> None:
        pads = [*layer.padding, *layer.padding]
        kernel, strides = list(layer.kernel), list(layer.stride)
        graph.then(op, kernel_shape=kernel, strides=strides, pads=pads, **more)

    return pool


write.register(MaxPool2d, _pool("MaxPool"))
write.register(SumPool2d, _pool("LpPool", p=1))  # what it sums is not negative


@write.register
def _(layer: Threshold, graph: GraphWriter, values: Values) -> None:
    graph.thresholds(layer.thresholds)


@write.register
def _(layer: Scale, graph: GraphWriter, values: Values) -> None:
    shape = (1, -1, *[1] * (len(values.shape) - 1))
    graph.then("Mul", graph.constant(layer.multipliers.reshape(shape)))
    graph.then("Add", graph.constant(layer.offsets.reshape(shape)))


@write.register(Unflatten)
@write.register(Flatten)
def _(layer: Unflatten | Flatten, graph: GraphWriter, values: Values) -> None:
    shape = [1, *layer.output(values).shape]
    graph.then("Reshape", graph.constant(shape, np.int64))


@write.register
def _(layer: GroupSum, graph: GraphWriter, values: Values) -> None:
    size = values.count // layer.groups
    graph.then("Gemm", graph.weights(np.kron(np.eye(layer.groups), np.ones((1, size)))), transB=1)


@write.register
def _(layer: ArgMax, graph: GraphWriter, values: Values) -> None:
    """The class is the index of the largest score, which leaves the graph."""
