"""An imported graph executed by onnxruntime, many frames at once.

QONNX's and FINN's own operators are first written as standard ones, in single precision and in the
order in which qonnx computes them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.importers.onnx.graph import INSTALL, Graph
from htaflow.model.support.errors import BadInputError, MissingToolError

Floats = npt.NDArray[np.float32]

_AT_ONCE = 256
"""Frames of one call: bounds memory."""

_OPSET = 17


class Execution:
    """A graph made ready.

    Parameters:
        graph: what is executed.
        tensors: names of tensors that are wanted, besides the output.

    Raises:
        BadInputError: onnxruntime refuses the graph.
        MissingToolError: onnxruntime is not installed.
    """

    def __init__(self, graph: Graph, tensors: Sequence[str] = ()) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingToolError(
                f"executing ONNX takes the package onnxruntime; install it: {INSTALL}"
            ) from None
        self.names = [*dict.fromkeys([*tensors, graph.output])]
        self._input = graph.input
        self._shape = graph.shapes[graph.input][1:]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Its optimiser rounds: it quantises what is multiplied with quantised weights.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        model = _standard(graph, self.names)
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # it has exceptions of its own
            raise BadInputError(f"onnxruntime cannot execute the graph: {error}") from None

    def run(self, frames: Floats) -> dict[str, Floats]:
        """Return the tensors, ``[N, ...]`` each, of ``frames`` ``[N, features]``."""
        found: dict[str, list[Floats]] = {name: [] for name in self.names}
        for start in range(0, len(frames), _AT_ONCE):
            some = frames[start : start + _AT_ONCE]
            fed = some.reshape(len(some), *self._shape).astype(np.float32)
            for name, value in zip(
                self.names, self._session.run(self.names, {self._input: fed}), strict=True
            ):
                found[name].append(np.asarray(value).reshape(len(some), -1))
        return {name: np.concatenate(parts) for name, parts in found.items()}


def _standard(graph: Graph, outputs: Sequence[str]) -> Any:
    """Return the model of standard operators alone, for any number of frames."""
    from onnx import TensorProto, helper

    writer = _Writer()
    for node in graph.model.graph.node:
        writer.rewrite(graph, node)
    shape = graph.shapes[graph.input]
    source = graph.model.graph
    kinds = {one.name: one.type.tensor_type.elem_type for one in source.input}
    fed = helper.make_tensor_value_info(
        graph.input, kinds.get(graph.input, TensorProto.FLOAT), ["N", *shape[1:]]
    )
    yielded = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        if name not in writer.integral
        else helper.make_tensor_value_info(name, TensorProto.INT64, None)
        for name in outputs
    ]
    constants = [t for t in source.initializer if t.name not in writer.replaced]
    made = helper.make_graph(writer.nodes, "graph", [fed], yielded, [*constants, *writer.constants])
    versions = [one for one in graph.model.model.opset_import if one.domain in ("", "ai.onnx")]
    opset = max([one.version for one in versions] or [_OPSET])
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(made, opset_imports=imports, ir_version=graph.model.model.ir_version)


class _Writer:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.replaced: set[str] = set()
        self.integral: set[str] = set()
        self._count = 0

    def rewrite(self, graph: Graph, node: Any) -> None:
        """Add ``node``, or what does the same."""
        from onnx import helper, numpy_helper

        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type in ("Quant", "IntQuant"):
            self._quant(graph, node, attributes)
        elif node.op_type == "BipolarQuant":
            value = self._sign(node.input[0])
            self._add("Mul", [value, node.input[1]], node.output[0])
        elif node.op_type == "Trunc":
            self._trunc(graph, node, attributes)
        elif node.op_type == "MultiThreshold":
            self._multi_threshold(graph, node, attributes)
        elif node.op_type == "Reshape" and node.input[1] in graph.constants:
            shape = graph.constants[node.input[1]].copy()
            if node.input[0] not in graph.constants and len(shape) and shape[0] == 1:
                shape[0] = -1 if -1 not in shape else 0
            name = self._constant(shape.astype(np.int64))
            self._add("Reshape", [node.input[0], name], node.output[0])
        else:
            kept = helper.make_node(
                node.op_type, list(node.input), list(node.output), node.name, **attributes
            )
            self.nodes.append(kept)
            if node.op_type in ("ArgMax",):
                self.integral.add(node.output[0])
        del numpy_helper

    def _new(self) -> str:
        self._count += 1
        return f"htaflow_{self._count}"

    def _constant(self, value: npt.ArrayLike) -> str:
        from onnx import numpy_helper

        name = self._new()
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def _add(self, op: str, inputs: Sequence[str], output: str | None = None, **more: Any) -> str:
        from onnx import helper

        output = output or self._new()
        self.nodes.append(helper.make_node(op, list(inputs), [output], **more))
        return output

    def _sign(self, source: str) -> str:
        below = self._add("Less", [source, self._constant(np.float32(0))])
        return self._add(
            "Where", [below, self._constant(np.float32(-1)), self._constant(np.float32(1))]
        )

    def _round(self, source: str, mode: str) -> str:
        match mode:
            case "ROUND" | "HALF_EVEN":
                return self._add("Round", [source])
            case "FLOOR" | "CEIL":
                return self._add(mode.title(), [source])
        sign, size = self._add("Sign", [source]), self._add("Abs", [source])
        half = self._constant(np.float32(0.5))
        match mode:
            case "UP":
                size = self._add("Ceil", [size])
            case "DOWN":
                size = self._add("Floor", [size])
            case "HALF_UP":
                size = self._add("Floor", [self._add("Add", [size, half])])
            case "HALF_DOWN":
                size = self._add("Ceil", [self._add("Sub", [size, half])])
        return self._add("Mul", [sign, size])

    def _clipped(self, source: str, low: float, high: float) -> str:
        low_name, high_name = (self._constant(np.float32(end)) for end in (low, high))
        return self._add("Max", [self._add("Min", [source, high_name]), low_name])

    def _quant(self, graph: Graph, node: Any, attributes: Any) -> None:
        value, scale, zero, width = node.input
        bits = int(graph.constants[width].reshape(()))
        signed, narrow = bool(attributes.get("signed", 1)), bool(attributes.get("narrow", 0))
        mode = attributes.get("rounding_mode", b"ROUND").decode().upper()
        level = self._add("Add", [self._add("Div", [value, scale]), zero])
        if bits == 1 and signed:
            level = self._sign(level)
        else:
            level = self._clipped(level, *_ends(bits, signed, narrow))
            level = self._round(level, mode)
        self._add("Mul", [self._add("Sub", [level, zero]), scale], node.output[0])

    def _trunc(self, graph: Graph, node: Any, attributes: Any) -> None:
        value, scale, zero = node.input[:3]
        mode = attributes.get("rounding_mode", b"FLOOR").decode().upper()
        level = self._add("Round", [self._add("Add", [self._add("Div", [value, scale]), zero])])
        if len(node.input) < 6:
            bits = [int(graph.constants[name].reshape(())) for name in node.input[3:5]]
            shift = self._constant(np.float32(2.0 ** (bits[0] - bits[1])))
            level = self._round(self._add("Div", [level, shift]), mode)
            self._add("Mul", [self._add("Sub", [level, zero]), scale], node.output[0])
            return
        output = node.input[4]
        ratio = graph.constants[output] / graph.constants[scale]
        shift = self._constant(np.float32(2.0) ** np.round(np.log2(ratio)).astype(np.float32))
        bits_out = int(graph.constants[node.input[5]].reshape(()))
        signed, narrow = bool(attributes.get("signed", 1)), bool(attributes.get("narrow", 0))
        level = self._clipped(self._add("Div", [level, shift]), *_ends(bits_out, signed, narrow))
        level = self._round(level, mode)
        level = self._add("Sub", [level, self._add("Div", [zero, shift])])
        self._add("Mul", [level, output], node.output[0])

    def _multi_threshold(self, graph: Graph, node: Any, attributes: Any) -> None:
        thresholds = graph.constants[node.input[1]].astype(np.float32)
        dimensions = len(graph.shapes[node.input[0]])
        total = None
        for column in thresholds.T:
            shaped = column.reshape(1, -1, *[1] * (dimensions - 2))
            reached = self._add("Less", [node.input[0], self._constant(shaped)])
            reached = self._add("Cast", [self._add("Not", [reached])], to=1)
            total = reached if total is None else self._add("Add", [total, reached])
        assert total is not None
        scale = self._constant(np.float32(attributes.get("out_scale", 1.0)))
        bias = self._constant(np.float32(attributes.get("out_bias", 0.0)))
        self._add("Add", [self._add("Mul", [total, scale]), bias], node.output[0])


def _ends(bits: int, signed: bool, narrow: bool) -> Iterator[int]:
    yield -(1 << bits - 1) + narrow if signed else 0
    yield (1 << bits - signed) - 1 - (narrow and not signed)
