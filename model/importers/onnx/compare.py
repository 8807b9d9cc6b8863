"""An imported network against the graph that it was made from, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from htaflow.model.importers.onnx.builder import Tap
from htaflow.model.importers.onnx.exact import Numbers
from htaflow.model.importers.onnx.execute import Execution, Floats
from htaflow.model.importers.onnx.importer import Imported
from htaflow.model.integer.golden import run, trace
from htaflow.model.integer.network import (
    Conv2d,
    Dense,
    FirstLayer,
    Flatten,
    IntArray,
    Layer,
    Network,
)

_NEAR = 2e-6
"""Of its size: how near a sum is to a threshold if single precision may take the other side."""

_LOOKED_AT = 200
"""Frames that differ, of which the reason is looked for, at most."""


@dataclass(frozen=True)
class Difference:
    """The first place where a frame differs.

    Attributes:
        frame: its number.
        layer, node: where, in the network and in the graph.
        neuron: index of the value, in flat order.
        graph, golden: the two numbers, in the graph's units.
        rounding: whether the sum lies so near a threshold that single precision, in which the graph
            was executed, takes the other side; golden is exact.
    """

    frame: int
    layer: str
    node: str
    neuron: int
    graph: float
    golden: float
    rounding: bool

    def __str__(self) -> str:
        why = (
            "the sum lies at a threshold, and single precision rounds to its other side; golden "
            "is exact"
            if self.rounding
            else "no rounding explains it"
        )
        return (
            f"frame {self.frame}, layer {self.layer}, node '{self.node}', value {self.neuron}: "
            f"{self.graph:g} in the graph, {self.golden:g} in golden; {why}"
        )


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        frames: how many were compared.
        classes: in how many the class differs; None if there are no classes.
        results: in how many some number of the result differs.
        rounded: in how many of those the first difference is rounding.
        first: the first difference that is no rounding, else the first at all.
        accuracy: of golden and of the graph, in percent, if labels were given.
    """

    frames: int
    classes: int | None
    results: int
    rounded: int
    first: Difference | None
    accuracy: tuple[float, float] | None = None

    @property
    def is_equal(self) -> bool:
        """Whether all that differs is rounding."""
        return self.results == self.rounded


def compare(imported: Imported, frames: IntArray, labels: IntArray | None = None) -> Comparison:
    """Compare the network with its graph, executed by onnxruntime, on ``frames``.

    Args:
        imported: what :func:`htaflow.model.importers.onnx.importer.from_onnx` returned.
        frames: integers ``[N, features]``.
        labels: the classes, for accuracies.
    """
    network = imported.network
    fed = in_units(imported, frames)
    got = Execution(imported.graph).run(fed)[imported.graph.output]
    results = run(network, frames)
    numbers = results["scores" if "scores" in results else "bits"].reshape(len(frames), -1)
    integral = imported.graph.nodes[-1].op in ("ArgMax", "TopK")
    expected = results["class"] if integral else _as_told(numbers, imported.scale, imported.offset)
    near = 0.25 if integral else _tolerance(imported, got)
    wrong = ~(np.abs(got - expected) < near).all(axis=1)
    if "class" in results and imported.slack and not integral:
        wrong |= got.argmax(axis=1) != results["class"].reshape(-1)
    if imported.left_out:  # scores are shown otherwise, in the same order
        wrong = got.argmax(axis=1) != numbers.argmax(axis=1)
    classes, accuracy = None, None
    if "class" in results:
        found = got.reshape(-1) if integral else got.argmax(axis=1)
        mine = results["class"].reshape(-1)
        classes = int((found != mine).sum())
        if labels is not None and len(labels):
            right = [float(100 * (one == labels).mean()) for one in (mine, found)]
            accuracy = right[0], right[1]
    which = np.flatnonzero(wrong)
    differences = _explain(imported, frames, fed, which[:_LOOKED_AT])
    rounded = sum(one.rounding for one in differences)
    errors = [one for one in differences if not one.rounding]
    first = next(iter(errors or differences), None)
    beyond = len(which) - len(differences)  # not looked at: taken for rounding if all others are
    return Comparison(
        len(frames),
        classes,
        len(which),
        rounded + (beyond if not errors else 0),
        first,
        accuracy,
    )


def in_units(imported: Imported, frames: IntArray) -> Floats:
    """Return frames as the graph takes them."""
    feature = imported.feature
    if imported.channels_last:
        height, width, channels = imported.graph.shapes[imported.graph.input][1:]
        images = frames.reshape(len(frames), channels, height, width)
        frames = images.transpose(0, 2, 3, 1).reshape(len(frames), -1)
    scaled = frames.astype(np.float64) * float(feature.scale) + float(feature.offset)
    return scaled.astype(np.float32)


def _tolerance(imported: Imported, got: Floats) -> npt.NDArray[np.float64]:
    """Return by how much numbers of the graph may differ from golden's, in the graph's units.

    Less than half an integer; single precision adds up scores with rounding of its own.
    """
    scale = np.abs(np.array([float(one) for one in imported.scale]))
    rounding = 1e-5 * float(np.abs(got).max(initial=1e-25))
    return np.asarray(np.maximum(0.25 * scale + imported.slack, rounding))


def _as_told(numbers: IntArray, scale: Numbers, offset: Numbers) -> npt.NDArray[np.float64]:
    factors, shifts = (np.array([float(one) for one in each]) for each in (scale, offset))
    return np.asarray(numbers * factors + shifts)


def _explain(
    imported: Imported, frames: IntArray, fed: Floats, which: Sequence[int] | IntArray
) -> list[Difference]:
    """Return the first difference of each of the frames ``which``, by layer."""
    if not len(which):
        return []
    taps = imported.taps
    names = [tap.tensor for tap in taps]
    tensors = Execution(imported.graph, names).run(fed[np.asarray(which)])
    values = trace(imported.network, frames[np.asarray(which)])
    found = []
    for at, frame in enumerate(which):
        for tap in taps:
            difference = _at(imported, tap, int(frame), at, frames[frame], tensors, values)
            if difference is not None:
                found.append(difference)
                break
        else:
            found.append(_in_result(imported, int(frame), frames[frame], tensors, at))
    return found


def _in_result(
    imported: Imported, number: int, frame: IntArray, tensors: dict[str, Floats], at: int
) -> Difference:
    """Return how the result of a frame differs in which all layers agree: two scores are close."""
    results = run(imported.network, frame[None])
    numbers = results["scores" if "scores" in results else "bits"].reshape(-1)
    told = _as_told(numbers, imported.scale, imported.offset)
    got = tensors[imported.graph.output][at]
    node = imported.graph.output
    if "class" not in results or len(got) != len(told):
        return Difference(number, "result", node, 0, float(got[0]), float(told[0]), False)
    off = np.flatnonzero(~(np.abs(got - told) < _tolerance(imported, got)))
    if len(off) and not imported.left_out:
        at = int(off[0])
        return Difference(number, "result", node, at, float(got[at]), float(told[at]), False)
    mine, other = int(results["class"].reshape(-1)[0]), int(got.argmax())
    gap = abs(told[mine] - told[other])
    close = gap <= 2 * imported.slack + 1e-5 * float(np.abs(told).max(initial=0))
    return Difference(
        number, "result", node, other, float(got[other]), float(told[other]), bool(close)
    )


def _at(
    imported: Imported,
    tap: Tap,
    number: int,
    at: int,
    frame: IntArray,
    tensors: dict[str, Floats],
    values: dict[str, IntArray],
) -> Difference | None:
    """Return where a frame differs behind one layer, or None."""
    numbers = values[tap.layer][at]
    channels = numbers.shape[0]
    flat = numbers.reshape(channels, -1)
    scale, offset = (
        np.array([float(one) for one in each]).reshape(-1, 1) for each in (tap.scale, tap.offset)
    )
    if len(scale) not in (1, channels) or len(offset) not in (1, channels):
        flat = flat.reshape(-1, 1)
    told = (flat * scale + offset).reshape(-1)
    got = tensors[tap.tensor][at]
    if tap.axes is not None and numbers.ndim == 3:
        shape = [numbers.shape[axis] for axis in tap.axes]
        got = got.reshape(shape).transpose(np.argsort(tap.axes)).reshape(-1)
    near = np.broadcast_to(np.abs(scale) * 0.25, flat.shape).reshape(-1)
    wrong = np.flatnonzero(~(np.abs(got - told) < np.maximum(near, 1e-30)))
    if not len(wrong):
        return None
    neuron = int(wrong[0])
    rounding = all(_is_near(imported, tap, frame, int(one), values) for one in wrong[:20])
    return Difference(
        number, tap.layer, tap.node, neuron, float(got[neuron]), float(told[neuron]), rounding
    )


def _is_near(
    imported: Imported, tap: Tap, frame: IntArray, neuron: int, values: dict[str, IntArray]
) -> bool:
    """Return whether a sum behind a value is as near a threshold as rounding may take it."""
    layers = list(imported.network.layers)
    at = next(index for index, layer in enumerate(layers) if layer.name == tap.layer)
    while layers[at].name not in imported.edges and at:
        at -= 1
    layer = layers[at]
    edges = imported.edges.get(layer.name)
    if edges is None:
        return False
    sums = _sums(layers[: at + 1], frame)
    channels = len(edges)
    size = values[tap.layer][0].size
    channel = neuron * channels // size
    row, seen = edges[channel], sums.reshape(channels, -1)[channel]
    finite = row[np.isfinite(row)]
    reach = max(float(np.abs(sums).max(initial=1)), float(np.abs(finite).max(initial=1)))
    return bool((np.abs(seen[:, None] - finite) <= _NEAR * reach).any())


def _sums(layers: list[Layer], frame: IntArray) -> IntArray:
    """Return the sums that the last of ``layers`` compares with its thresholds, flat."""
    *before, last = layers
    if isinstance(last, FirstLayer):
        return frame
    if isinstance(last, Dense | Conv2d):
        before.append(replace(last, thresholds=None))
    first = before[0]
    assert isinstance(first, FirstLayer)
    values = first.input
    for layer in before:
        values = layer.output(values)
    name = before[-1].name
    if len(values.shape) > 1:
        before.append(Flatten("flattened"))
    return trace(Network("sums", tuple(before)), frame[None])[name].reshape(-1)
