"""Random quantised graphs in ONNX, as Brevitas, FINN and QCDQ exporters write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from networks import Choices
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
FINN = "finn.custom_op.general"
OPSET = 17


class GraphWriter:
    """A graph in the making, a node after another; ``tensor`` is the last, of ``shape``."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.input_shape = tuple(shape)
        self.shape = tuple(shape)
        self.tensor = "frame"
        self._count = 0

    def constant(self, value: npt.ArrayLike, dtype: Any = np.float32) -> str:
        name = self._name("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = self._name(op.lower())
        self.nodes.append(
            helper.make_node(
                op, list(inputs), [name], name=f"node_{name}", domain=domain, **attributes
            )
        )
        return name

    def then(self, op: str, *more: str, domain: str = "", **attributes: Any) -> None:
        self.tensor = self.node(op, self.tensor, *more, domain=domain, **attributes)

    def quant(
        self,
        value: str,
        scale: npt.ArrayLike,
        bits: int,
        signed: bool,
        mode: str = "ROUND",
        narrow: bool = False,
    ) -> str:
        return self.node(
            "Quant",
            value,
            self.constant(scale),
            self.constant(0.0),
            self.constant(float(bits)),
            domain=QONNX,
            signed=int(signed),
            narrow=int(narrow),
            rounding_mode=mode,
        )

    def save(self, path: Path, opset: int = OPSET) -> Path:
        shape = [1, *self.input_shape]
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("frame", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(self.tensor, TensorProto.FLOAT, None)],
            self.constants,
        )
        imports = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
        imports.append(helper.make_opsetid(FINN, 1))
        model = helper.make_model(graph, opset_imports=imports)
        model.ir_version = 8
        onnx.save(model, str(path))
        return path

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


class RandomGraph(GraphWriter):
    """A graph of layers that are drawn; ``choices`` decide."""

    def __init__(self, choices: Choices, shape: Sequence[int]) -> None:
        super().__init__(shape)
        self.choices = choices
        self.rng = choices.rng

    @property
    def channels(self) -> int:
        return self.shape[0]

    def by_channel(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Numbers of channels, in a shape that is combined with the tensor."""
        return numbers.reshape(1, -1, *[1] * (len(self.shape) - 1))

    def scale(self, count: int = 1) -> npt.NDArray[np.float32]:
        """Scales as training gives them: powers of two, or any number."""
        exponents = 2.0 ** self.rng.integers(-6, 2, count)
        if self.choices.chance(0.5):
            return exponents.astype(np.float32)
        return self.rng.uniform(0.01, 2, count).astype(np.float32)

    def weights(self, shape: Sequence[int], *, alike: bool = False) -> str:
        """Quantised weights ``[out, ...]``, of one scale or of one for each output."""
        pick = self.choices.pick
        kind = pick(("quant", "bipolar", "qcdq", "multiples"))
        count = 1 if alike or self.choices.chance(0.5) else shape[0]
        scale = self.scale(count).reshape(-1, *[1] * (len(shape) - 1))
        if kind == "bipolar":
            raw = self.constant(self.rng.normal(size=shape))
            return self.node("BipolarQuant", raw, self.constant(scale), domain=QONNX)
        bits = pick((2, 3, 4))
        half = 1 << (bits - 1)
        integers = self.rng.integers(-half + 1, half, shape)
        integers.reshape(shape[0], -1)[:, 0] = 1  # no neuron without an input
        if kind == "quant":
            raw = self.constant(integers * scale + self.rng.uniform(-0.3, 0.3, shape) * scale)
            return self.quant(raw, scale, bits, True, narrow=self.choices.chance(0.5))
        if kind == "qcdq":
            zero = self.constant(np.zeros(count), np.int8)
            one = self.constant(scale.reshape(-1) if count > 1 else scale.reshape(()))
            if count == 1:
                zero = self.constant(0, np.int8)
            if self.choices.chance(0.5):  # as Brevitas writes it, from floats
                raw = self.constant(integers * scale * pick((1, 1.4)))
                numbers = self.node("QuantizeLinear", raw, one, zero, axis=0)
                ends = self.constant(-half + 1, np.int8), self.constant(half - 1, np.int8)
                numbers = self.node("Clip", numbers, *ends)
            else:
                numbers = self.constant(integers, np.int8)
            return self.node("DequantizeLinear", numbers, one, zero, axis=0)
        return self.constant(integers * scale)

    def dense(self, count: int, *, alike: bool = False) -> None:
        inputs = self.channels
        weights = self.weights((count, inputs), alike=alike)
        if self.choices.chance(0.5):
            more = []
            if not alike and self.choices.chance(0.5):
                more = [self.constant(self.rng.normal(size=count))]
            self.then("Gemm", weights, *more, transB=1)
        else:
            self.then("MatMul", self.node("Transpose", weights, perm=[1, 0]))
        self.shape = (count,)

    def conv(self, count: int) -> bool:
        """Add a convolution, unless there is no window."""
        pick = self.choices.pick
        channels, height, width = self.shape
        kernel, stride = (pick((1, 2, 3)), pick((1, 2, 3))), (pick((1, 1, 2)), pick((1, 1, 2)))
        padding = (0, 0)
        if self.choices.chance(0.3):
            padding = (kernel[0] // 2, kernel[1] // 2)
        sizes = [
            (size + 2 * pad - reach) // step + 1
            for size, pad, reach, step in zip((height, width), padding, kernel, stride, strict=True)
        ]
        if min(sizes) < 1:
            return False
        groups = channels if self.choices.chance(0.2) else 1
        out = count * groups if groups > 1 else count
        weights = self.weights((out, channels // groups, *kernel))
        self.then(
            "Conv",
            weights,
            kernel_shape=list(kernel),
            strides=list(stride),
            pads=[*padding, *padding],
            group=groups,
        )
        self.shape = (out, *sizes)
        return True

    def norm(self) -> None:
        """Batch normalisation, at times of a negative or zero scale, or nothing."""
        if self.choices.chance(0.3):
            return
        count = self.channels
        gamma = self.rng.uniform(0.2, 2, count)
        if self.choices.chance(0.5):
            gamma *= self.rng.choice((-1, 1), count)
        if self.choices.chance(0.2):
            gamma[self.rng.integers(count)] = 0
        numbers = gamma, self.rng.normal(size=count), self.rng.normal(size=count) * 3
        variance = self.rng.uniform(0.5, 20, count)
        self.then("BatchNormalization", *map(self.constant, (*numbers, variance)), epsilon=1e-5)

    def activation(self) -> None:
        """A quantiser in any dialect."""
        pick = self.choices.pick
        kind = pick(("bipolar", "unsigned", "signed", "thresholds", "qcdq", "sign"))
        scale = self.scale()
        if kind == "bipolar":
            self.then("BipolarQuant", self.constant(scale), domain=QONNX)
        elif kind == "unsigned":
            self.then("Relu")
            self.tensor = self.quant(self.tensor, scale, pick((1, 2, 3, 4)), False)
        elif kind == "signed":
            mode = pick(("ROUND", "FLOOR", "CEIL", "HALF_UP", "DOWN"))
            self.tensor = self.quant(self.tensor, scale, pick((2, 3, 4)), True, mode)
        elif kind == "thresholds":
            rows = self.channels if self.choices.chance(0.5) else 1
            thresholds = np.sort(self.rng.normal(size=(rows, pick((1, 3, 7)))) * 3, axis=1)
            self.then(
                "MultiThreshold",
                self.constant(thresholds),
                domain=FINN,
                out_scale=float(scale[0]),
                out_bias=float(pick((0.0, -1.0, -2.0))),
                out_dtype="",
            )
        elif kind == "qcdq":
            zero, one = self.constant(pick((0, 1)), np.int8), self.constant(scale.reshape(()))
            self.then("QuantizeLinear", one, zero)
            self.then("Clip", self.constant(-3, np.int8), self.constant(4, np.int8))
            self.then("DequantizeLinear", one, zero)
        else:
            self.then("Sign")

    def pool(self, kind: str) -> None:
        channels, height, width = self.shape
        kernel = (min(2, height), min(2, width))
        self.then(kind, kernel_shape=list(kernel), strides=list(kernel))
        self.shape = (channels, height // kernel[0], width // kernel[1])

    def flatten(self) -> None:
        if len(self.shape) > 1:
            if self.choices.chance(0.3):  # as Keras does, channels last
                self.then("Transpose", perm=[0, 2, 3, 1])
                if self.choices.chance(0.3):
                    self.then("Mul", self.constant(self.rng.uniform(0.5, 2, self.shape[0])))
            if self.choices.chance(0.5):
                self.then("Flatten", axis=1)
            else:
                self.then("Reshape", self.constant([1, -1], np.int64))
            self.shape = (int(np.prod(self.shape)),)


def random_graph(choices: Choices) -> RandomGraph:
    """A graph with up to four quantised layers, on features or an image of 8-bit numbers."""
    pick, chance = choices.pick, choices.chance
    image = chance(0.5)
    shape = (pick((1, 2, 3)), pick((4, 5, 6)), pick((4, 5))) if image else (pick((3, 8, 12)),)
    graph = RandomGraph(choices, shape)
    if image and chance(0.2):
        graph.input_shape = (*shape[1:], shape[0])
        graph.then("Transpose", perm=[0, 3, 1, 2])
    begin = pick(("as it is", "scaled", "quantised", "bits"))
    if begin == "scaled":
        graph.then("Mul", graph.constant(2.0))
        graph.then("Sub", graph.constant([1.0]))
    elif begin == "quantised":
        graph.tensor = graph.quant(graph.tensor, 2.0**-6, pick((2, 4)), False)
    elif begin == "bits":
        graph.then("Sub", graph.constant(0.5))
        graph.then("BipolarQuant", graph.constant(1.0), domain=QONNX)
    if image:
        for _ in range(pick((1, 2))):
            if not graph.conv(pick((1, 2, 4))):
                break
            early = chance(0.3)
            if early:
                graph.pool("MaxPool")
            graph.norm()
            graph.activation()
            if not early and chance(0.3):
                graph.pool(pick(("MaxPool", "AveragePool")))
                if graph.nodes[-1].op_type == "AveragePool":
                    graph.tensor = graph.quant(graph.tensor, graph.scale(), 3, True)
        graph.flatten()
    for _ in range(pick((0, 1, 2))):
        graph.dense(pick((3, 6)))
        graph.norm()
        graph.activation()
    graph.dense(pick((2, 4)), alike=True)
    if chance(0.2):
        graph.then("Softmax", axis=1)
    elif chance(0.2):
        graph.then("Mul", graph.constant(0.125))
    return graph
