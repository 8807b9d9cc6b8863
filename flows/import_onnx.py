"""An ONNX model into a run directory: imported, and compared with its own execution."""

import io
from dataclasses import asdict
from pathlib import Path

import numpy as np

from htaflow.flows.import_options import ImportOptions
from htaflow.model.data.load import load
from htaflow.model.importers.onnx.compare import Comparison, compare
from htaflow.model.importers.onnx.importer import Imported, from_onnx
from htaflow.model.integer.file import load_network, network_bytes
from htaflow.model.integer.network import IntArray, Network
from htaflow.model.run_directory import Run
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.model.support.files import digest, locked_folder, to_json, write_together
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import ImportAccuracy, ImportFacts

RANDOM_FRAMES = 1000
"""Frames that are compared where there is no test set."""


@checked
def import_onnx(
    file: str | Path,
    out: str | Path,
    options: ImportOptions | None = None,
    *,
    progress: Progress = silent,
) -> ImportFacts:
    """Import an ONNX model into the run directory ``out`` and return what ``import.json`` holds.

    It is compared with its execution by onnxruntime first, on the test set or on 1,000 random
    frames; nothing is written if it differs by more than single precision explains.

    Args:
        file: the model, in the dialect of QONNX, FINN or QCDQ.
        out: the run directory; one that holds another network is refused.
        options: how features are read, and a test set.
        progress: called with a line of text now and then.

    Raises:
        BadInputError: the model cannot be represented, with every problem; the test set does not
            suit it; or ``out`` holds another network.
        MismatchError: the network computes something else than the graph: which frame, layer, node
            and value, and both numbers.
        MissingToolError: onnx, qonnx or onnxruntime is not installed.
    """
    file, run = Path(file), Run(Path(out))
    options = options or ImportOptions()
    imported = from_onnx(file, options.feature)
    network = imported.network
    _refuse_another(run, network)
    frames, labels, classes = _frames(options, network, progress)
    progress(f"import: comparing {len(frames)} frames with the graph's execution")
    comparison = compare(imported, frames, labels)
    if not comparison.is_equal:
        raise MismatchError(
            f"{file}: golden and the graph differ in {comparison.results} of {len(frames)} frames: "
            f"{comparison.first}; please report it as a fault, with the model"
        )
    facts = _facts(file, imported, comparison)
    files: dict[Path, str | bytes] = {
        run.network: network_bytes(network),
        run.path / "import.json": to_json(facts),
    }
    if labels is not None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, x=frames, y=labels)
        files[run.test] = buffer.getvalue()
        told = {
            "network": network.digest,
            "accuracy": {"golden": (comparison.accuracy or (0.0, 0.0))[0] / 100},
            "test_frames": len(frames),
            "classes": list(classes),
        }
        files[run.train] = to_json(told)
    with locked_folder(run.path, lambda: progress(f"import: waiting for a step in {run.path}")):
        _refuse_another(run, network)
        write_together(files)
    progress(f"import: wrote {run.network}")
    return facts


def _frames(
    options: ImportOptions, network: Network, progress: Progress
) -> tuple[IntArray, IntArray | None, tuple[str, ...]]:
    """Return frames, and if they are of a test set their labels and the names of the classes."""
    values = network.input
    if options.data is None:
        rng = np.random.default_rng(0)
        size = (RANDOM_FRAMES, values.count)
        return rng.integers(values.low, values.high + 1, size), None, ()
    dataset = load(options.data, progress, options.data_options)
    x = dataset.x_test
    if dataset.features != values.count:
        raise BadInputError(
            f"{options.data}: a frame has {dataset.features} features, but the model takes "
            f"{values.count}; give the data that it was trained for"
        )
    if len(x) and (x.min() < values.low or x.max() > values.high):
        raise BadInputError(
            f"{options.data}: features are {x.min()}..{x.max()}, but the model is read with "
            f"{values.low}..{values.high}; say how many bits they have with --input-bits"
        )
    return x, dataset.y_test, dataset.classes


def _facts(file: Path, imported: Imported, comparison: Comparison) -> ImportFacts:
    """Return what ``import.json`` holds."""
    feature = imported.feature
    first = comparison.first
    return {
        "file": file.name,
        "sha256": digest(file.read_bytes()),
        "network": imported.network.digest,
        "input": {
            "scale": str(feature.scale),
            "offset": str(feature.offset),
            "bits": feature.bits,
            "signed": feature.signed,
        },
        "output": {
            "scale": [float(one) for one in imported.scale],
            "offset": [float(one) for one in imported.offset],
        },
        "left_out": list(imported.left_out),
        "nodes": dict(imported.nodes),
        "frames": comparison.frames,
        "classes_that_differ": comparison.classes,
        "results_that_differ": comparison.results,
        "by_rounding": comparison.rounded,
        "first_difference": None if first is None else asdict(first),
        "accuracy": None
        if comparison.accuracy is None
        else ImportAccuracy(golden=comparison.accuracy[0], graph=comparison.accuracy[1]),
    }


def _refuse_another(run: Run, network: Network) -> None:
    """Raise ``BadInputError`` if ``run`` is a file, or holds another network."""
    if run.path.exists() and not run.path.is_dir():
        raise BadInputError(f"{run.path}: it is a file; --out takes a run directory")
    if not run.network.exists():
        return
    present = load_network(run.network)
    if present.digest != network.digest:
        raise BadInputError(
            f"{run.path} holds a different network, '{present.name}' "
            f"({present.digest[:12]}, not {network.digest[:12]}); choose another --out"
        )
