"""From an ONNX file to an integer network."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htaflow.model.importers.onnx.builder import Builder, Tap
from htaflow.model.importers.onnx.exact import Numbers
from htaflow.model.importers.onnx.feature import InputScale
from htaflow.model.importers.onnx.graph import Graph, Node, read_graph
from htaflow.model.importers.onnx.nodes import HANDLERS, State, Value
from htaflow.model.importers.onnx.scores import scores_layer
from htaflow.model.importers.onnx.tensor import Constant, Tensor, Unsupported, affine_of
from htaflow.model.integer.network import ArgMax, Network
from htaflow.model.integer.problems import Problem, describe_problems, find_problems, is_name
from htaflow.model.support.errors import BadInputError, did_you_mean


@dataclass(frozen=True)
class Imported:
    """An imported network, and what its numbers stand for in the graph.

    Attributes:
        network: what computes the same.
        graph: what it was made from.
        feature: what a feature stands for.
        scale, offset: ``scale * number + offset`` is what the graph yields for each number of the
            network's result; one for all, or one for each.
        nodes: the name of the node behind each layer.
        left_out: operators at the end of the graph that the network has not, such as Softmax.
        taps: where tensors of the graph are in the network, in order.
        edges: the exact thresholds of layers, as floats, ``[rows, levels]``.
        slack: by how much a score may be off; its order among the classes is exact.
        channels_last: whether the graph takes images whose channels come last; a frame of the
            network has them first.
    """

    network: Network
    graph: Graph
    feature: InputScale
    scale: Numbers
    offset: Numbers
    nodes: Mapping[str, str]
    left_out: tuple[str, ...]
    taps: tuple[Tap, ...]
    edges: Mapping[str, npt.NDArray[np.float64]]
    slack: float = 0.0
    channels_last: bool = False


def from_onnx(
    path: str | Path, feature: InputScale | None = None, *, name: str | None = None
) -> Imported:
    """Import the network in the ONNX file at ``path``.

    Args:
        path: an ONNX file in the dialect of QONNX, FINN or QCDQ, or with weights that are whole
            multiples of a scale.
        feature: what a feature stands for; by default what a quantiser at the graph's input says,
            else 8-bit numbers as they are.
        name: of the network; by default the file's.

    Raises:
        BadInputError: the file is not valid, or cannot be represented; every problem is listed.
        MissingToolError: onnx or qonnx is not installed.
    """
    path = Path(path)
    graph = read_graph(path)
    imported, problems = _import(graph, feature or _input_scale(graph), name or _name(path))
    if imported is None:
        raise BadInputError(describe_problems(str(path), problems))
    return imported


def check_onnx(path: str | Path, feature: InputScale | None = None) -> list[Problem]:
    """Return everything that keeps the ONNX file at ``path`` from being imported."""
    path = Path(path)
    try:
        graph = read_graph(path)
    except BadInputError as error:
        what, _, fix = str(error).removeprefix(f"{path}: ").rpartition("; ")
        return [Problem("file", what, fix)]
    return _import(graph, feature or _input_scale(graph), _name(path))[1]


def _import(graph: Graph, feature: InputScale, name: str) -> tuple[Imported | None, list[Problem]]:
    shape = graph.shapes[graph.input][1:]
    last = _channels_last(graph)
    if len(shape) == 2:
        shape = (shape[0], 1, shape[1])
    if last:
        shape = (shape[2], shape[0], shape[1])
    builder = Builder(prod(shape), feature.bits, feature.signed)
    state = State(graph, builder)
    values: dict[str, Value | None] = {
        key: Constant(array) for key, array in graph.constants.items()
    }
    values[""] = None
    features = builder.input(shape, feature.scale, feature.offset)
    values[graph.input] = replace(features, axes=(1, 2, 0)) if last else features
    problems: list[Problem] = []
    for node in graph.nodes:
        builder.node, builder.tensor = node.name, node.inputs[0] if node.inputs else ""
        for output in node.outputs:
            values[output] = None
        try:
            value = _output(state, node, values)
        except Unsupported as error:
            problems.append(Problem(str(node), error.what, error.fix))
            continue
        if value is not None:
            values[node.outputs[0]] = value
    if problems:
        return None, problems
    result = values.get(graph.output)
    if not isinstance(result, Tensor):
        what = "its output does not depend on its input"
        return None, [Problem("graph", what, "export the trained network")]
    try:
        builder.tensor = graph.output
        result = builder.finish(result)
        scale, offset = affine_of(result.steps)
        slack = 0.0
        if len(result.shape) == 1 and result.shape[0] > 1 and not builder.values.is_bits:
            ends = builder.ends
            scaled, scale, offset, slack = scores_layer("scale", scale, offset, ends)
            if scaled is not None:
                builder.append(scaled)
            builder.append(ArgMax("argmax"))
    except Unsupported as error:
        return None, [Problem("output", error.what, error.fix)]
    problems = find_problems(name, tuple(builder.layers))
    if problems:
        return None, [
            Problem(f"{one.layer} (of {_node(one.layer, builder)})", one.what, one.fix)
            for one in problems
        ]
    network = Network(name, tuple(builder.layers))
    return (
        Imported(
            network,
            graph,
            feature,
            scale,
            offset,
            dict(builder.nodes),
            tuple(state.final),
            tuple(builder.taps),
            dict(builder.edges),
            slack,
            last,
        ),
        [],
    )


def _channels_last(graph: Graph) -> bool:
    """Return whether the graph takes images whose channels come last, and puts them first."""
    shape = graph.shapes[graph.input]
    if len(shape) != 4 or shape[3] > min(shape[1:3]):
        return False
    moved = (node.attributes.get("perm") for node in graph.nodes if node.op == "Transpose")
    return [0, 3, 1, 2] in [list(perm) for perm in moved if perm is not None]


def _output(state: State, node: Node, values: Mapping[str, Value | None]) -> Value | None:
    """Return what ``node`` yields; None if what it is fed is not known, which is told elsewhere."""
    handler = HANDLERS.get(node.op)
    if handler is None:
        raise Unsupported(
            f"the operator {node.op} is not supported{did_you_mean(node.op, HANDLERS)}",
            "see the table of nodes in the documentation, and leave it out in training",
        )
    inputs = [values.get(one) for one in node.inputs]
    if any(one and values.get(one) is None for one in node.inputs):
        return None
    return handler(state, node, inputs)


def _node(layer: str, builder: Builder) -> str:
    for name, node in builder.nodes.items():
        if f"'{name}'" in layer:
            return node
    return "the graph"


def _name(path: Path) -> str:
    """Return a network's name made of a file's."""
    name = re.sub(r"[^a-z0-9_]+", "_", path.stem.lower()).strip("_")[:40]
    return name if is_name(name) else f"net_{name}"[:40].rstrip("_")


def _input_scale(graph: Graph) -> InputScale:
    """Return what the first quantiser says of the features, or 8-bit numbers as they are."""
    readers = [node for node in graph.nodes if graph.input in node.inputs]
    if len(readers) != 1 or readers[0].op not in ("Quant", "IntQuant"):
        return InputScale()
    node = readers[0]
    numbers = [graph.constants.get(one) for one in node.inputs[1:4]]
    if any(one is None or one.size != 1 for one in numbers):
        return InputScale()
    scale, zero, bits = (float(one.reshape(())) for one in numbers if one is not None)
    signed = bool(node.attributes.get("signed", 1))
    if zero or not 2 <= bits <= 8:
        return InputScale()
    return InputScale(Fraction(float(np.float32(scale))), Fraction(0), int(bits), signed)
