"""A run's network in a format of other tools."""

from pathlib import Path
from typing import Literal

import numpy as np

from htaflow.model.integer.golden import run as golden
from htaflow.model.run_directory import Run
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import MismatchError
from htaflow.model.support.progress import Progress, silent

_FRAMES = 200
"""Frames on which the file is tried."""


@checked
def export(
    run: str | Path,
    out: str | Path | None = None,
    *,
    to: Literal["qonnx"] = "qonnx",
    progress: Progress = silent,
) -> Path:
    """Write the network of ``run`` to a file of another format, and return the file's path.

    The file is executed on random frames, and gives golden's numbers, or is not left.

    Args:
        run: the run directory.
        out: the file; by default ``RUN/network.onnx``.
        to: the format.
        progress: called with a line of text now and then.

    Raises:
        BadInputError: the run has no network, or it has layers that the format does not know.
        MismatchError: the file's execution differs from golden.
        MissingToolError: onnx, qonnx or onnxruntime is not installed.
    """
    from htaflow.model.importers.onnx.execute import Execution
    from htaflow.model.importers.onnx.export import export_qonnx
    from htaflow.model.importers.onnx.graph import read_graph

    here = Run(Path(run))
    network = here.load_network()
    path = here.path / "network.onnx" if out is None else Path(out)
    aside = path.with_name(f".{path.name}")
    try:
        export_qonnx(network, aside)
        progress(f"export: executing {aside.name} on {_FRAMES} random frames")
        values = network.input
        rng = np.random.default_rng(0)
        frames = rng.integers(values.low, values.high + 1, (_FRAMES, values.count))
        (got,) = Execution(read_graph(aside)).run(frames.astype(np.float32)).values()
        results = golden(network, frames)
        wanted = results["scores" if "scores" in results else "bits"].reshape(_FRAMES, -1)
        if (got != wanted).any():
            frame, place = np.argwhere(got != wanted)[0]
            raise MismatchError(
                f"{path}: frame {frame}, value {place}: {got[frame, place]:g} in the file, "
                f"{wanted[frame, place]} in golden; please report it as a fault"
            )
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    progress(f"export: wrote {path}")
    return path
