"""An ONNX file as a clean graph: constants folded, shapes known, its nodes in order."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.support.errors import BadInputError, MissingToolError, abbreviate

INSTALL = "pip install 'htaflow[onnx]'"

_QUANTISERS = ("Quant", "IntQuant", "BipolarQuant", "Trunc")

MAX_BYTES = 1 << 31
"""Size of a file that is read, at most."""


@dataclass(frozen=True)
class Node:
    """A node: what it is called, its operator, and its attributes as plain values."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        return f"node '{self.name}' ({self.op})"


@dataclass(frozen=True)
class Graph:
    """A graph with one input and one output, of a frame at a time.

    Attributes:
        model: the cleaned model, as qonnx holds it.
        nodes: in an order in which they can be executed.
        constants: initializers by name.
        input, output: their names.
        shapes: of each tensor that has one, the batch included.
    """

    model: Any
    nodes: tuple[Node, ...]
    constants: Mapping[str, npt.NDArray[Any]]
    input: str
    output: str
    shapes: Mapping[str, tuple[int, ...]]


def read_graph(path: Path) -> Graph:
    """Read and clean the graph at ``path``.

    Raises:
        BadInputError: it is no ONNX file, or has not one input and one output of known shapes.
        MissingToolError: onnx or qonnx is not installed.
    """
    try:
        import onnx
        from qonnx.core.modelwrapper import ModelWrapper
    except ImportError as error:
        raise MissingToolError(
            f"{path}: reading ONNX takes the packages onnx and qonnx ({error.name} is missing); "
            f"install them: {INSTALL}"
        ) from None
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file; check the path")
    if path.stat().st_size > MAX_BYTES:
        raise BadInputError(f"{path}: it has more than {MAX_BYTES} bytes; it is no small network")
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf and onnx raise many kinds
        raise BadInputError(
            f"{path}: it is truncated or not a valid ONNX file ({_first_line(error)}); export it "
            "again"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cleaned = _clean(ModelWrapper(model))
    except Exception as error:  # qonnx asserts, and passes on what others raise
        raise BadInputError(
            f"{path}: qonnx cannot clean it up ({_first_line(error)}); export it again, with one "
            "frame as the batch"
        ) from None
    return _graph(path, cleaned)


def _clean(model: Any) -> Any:
    """Return ``model`` with shapes known and constants folded; nodes keep their names.

    That is qonnx's own clean-up, which would give all nodes new names.
    """
    from qonnx.transformation.fold_constants import FoldConstants
    from qonnx.transformation.general import (
        GiveUniqueParameterTensors,
        RemoveStaticGraphInputs,
        RemoveUnusedTensors,
    )
    from qonnx.transformation.infer_shapes import InferShapes

    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
        if node.op_type in _QUANTISERS:  # other domains, such as Brevitas's, mean the same
            node.domain = "qonnx.custom_op.general"
    for step in (
        InferShapes(),
        GiveUniqueParameterTensors(),
        FoldConstants(exclude_op_types=[*_QUANTISERS, "QuantizeLinear", "DequantizeLinear"]),
        RemoveUnusedTensors(),
        RemoveStaticGraphInputs(),
    ):
        model = model.transform(step)
    return model


def _graph(path: Path, model: Any) -> Graph:
    """Return the cleaned ``model`` as a graph."""
    from onnx import numpy_helper

    graph = model.graph
    constants = {
        tensor.name: np.array(numpy_helper.to_array(tensor)) for tensor in graph.initializer
    }
    inputs = [one.name for one in graph.input if one.name not in constants]
    outputs = [one.name for one in graph.output]
    if len(inputs) != 1 or len(outputs) != 1:
        raise BadInputError(
            f"{path}: it has {len(inputs)} inputs and {len(outputs)} outputs; export a network "
            "with one of each"
        )
    nodes = tuple(_nodes(model))
    names = {*inputs, *outputs, *(output for node in nodes for output in node.outputs)}
    shapes = {}
    for name in names:
        shape = model.get_tensor_shape(name)
        if shape is not None:
            shapes[name] = tuple(int(size) for size in shape)
    if 0 in shapes.get(inputs[0], (0,)):
        raise BadInputError(
            f"{path}: the shape of its input is not known; export it with one frame as the batch"
        )
    return Graph(model, nodes, constants, inputs[0], outputs[0], shapes)


def _nodes(model: Any) -> Iterator[Node]:
    from onnx import helper, numpy_helper

    for number, node in enumerate(model.graph.node):
        attributes = {}
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            if isinstance(value, bytes):
                value = value.decode()
            elif hasattr(value, "dims"):
                value = numpy_helper.to_array(value)
            attributes[attribute.name] = value
        yield Node(
            node.name or f"{node.op_type}_{number}",
            node.op_type,
            tuple(node.input),
            tuple(node.output),
            attributes,
        )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return abbreviate(text[0] if text else type(error).__name__, 200)[1:-1]
