"""Models trained elsewhere: imported, compared with their execution, and how fast golden is.

    python benchmarks/models.py MODEL.onnx:SCALE:OFFSET:BITS[:DATA] ...

Each argument names a model, what a feature of 1 and one of 0 stand for in it, the bits of a feature
and a data set, as ``htaflow convert`` and ``htaflow train`` take them; without data, 1,000 random
frames are compared. An ``.npz`` file with images ``[N, height, width, channels]`` in ``x_test`` and
labels in ``y_test`` is taken as it is. Seconds are those of the processor, of golden and of
onnxruntime without its optimiser, which rounds; compare them as a ratio.
Writes ``benchmarks/results/models.json`` and ``models.md``.
"""

import argparse
import time
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from htaflow.model.data.load import load
from htaflow.model.importers.onnx.compare import compare, in_units
from htaflow.model.importers.onnx.execute import Execution
from htaflow.model.importers.onnx.feature import InputScale
from htaflow.model.importers.onnx.importer import from_onnx
from htaflow.model.integer import golden
from htaflow.model.integer.network import IntArray
from htaflow.model.support.files import write_atomic, write_json

RESULTS = Path(__file__).parent / "results"
VERSIONS = ("htaflow", "numpy", "onnx", "onnxruntime", "qonnx")
COLUMNS = (
    "model",
    "layers",
    "weights",
    "frames",
    "results that differ",
    "by rounding",
    "golden, %",
    "the model, %",
    "golden, s",
    "onnxruntime, s",
)


def read_frames(spec: str, low: int, high: int, count: int) -> tuple[IntArray, IntArray | None]:
    """Return the frames of a test set and their labels, or random frames and none."""
    if not spec:
        rng = np.random.default_rng(0)
        return rng.integers(low, high + 1, (1000, count)), None
    if spec.endswith(".npz"):
        with np.load(spec) as file:
            x, y = file["x_test"], file["y_test"].reshape(-1)
        return np.moveaxis(x, -1, 1).reshape(len(x), -1) if x.ndim == 4 else x, y
    dataset = load(spec)
    return dataset.x_test, dataset.y_test


def measure(argument: str) -> dict[str, Any]:
    """Return the row of one model."""
    path, scale, offset, bits, *rest = argument.split(":")
    feature = InputScale(Fraction(scale), Fraction(offset), int(bits))
    imported = from_onnx(path, feature)
    network = imported.network
    values = network.input
    frames, labels = read_frames(":".join(rest), values.low, values.high, values.count)
    comparison = compare(imported, frames, labels)
    begun = time.process_time()
    golden.run(network, frames)
    ours = time.process_time() - begun
    execution, fed = Execution(imported.graph), in_units(imported, frames)
    begun = time.process_time()
    execution.run(fed)
    theirs = time.process_time() - begun
    shown = [f"{one:.2f}" for one in comparison.accuracy] if comparison.accuracy else ["-", "-"]
    weights = sum(
        t.size for one in network.layers for n, t in one.tensors.items() if n == "weights"
    )
    row = (
        Path(path).name,
        len(network.layers),
        f"{weights:,}",
        f"{len(frames):,}",
        comparison.results,
        comparison.rounded,
        *shown,
        f"{ours:.1f}",
        f"{theirs:.1f}",
    )
    return dict(zip(COLUMNS, map(str, row), strict=True))


def main() -> None:
    """Measure every model and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL:SCALE:OFFSET:BITS[:DATA]")
    rows = []
    for argument in parser.parse_args().models:
        rows.append(measure(argument))
        print(rows[-1])
    versions = {name: version(name) for name in VERSIONS}
    write_json(RESULTS / "models.json", {"rows": rows, "versions": versions})
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(row[name] for name in COLUMNS)} |" for row in rows]
    told = ", ".join(f"{name} {number}" for name, number in versions.items())
    text = "\n".join([*lines, "", f"Seconds of one processor. {told}.", ""])
    write_atomic(RESULTS / "models.md", text)


if __name__ == "__main__":
    main()
