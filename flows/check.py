"""Every problem of a network file at once, each with its fix."""

from pathlib import Path

from htaflow.flows.import_options import ImportOptions
from htaflow.model.integer.file import check_file
from htaflow.model.integer.problems import Problem
from htaflow.model.support.arguments import checked


@checked
def check(file: str | Path, *, onnx: ImportOptions | None = None) -> list[Problem]:
    """Return every problem of the network at ``file``; an empty list means it is valid.

    ``file`` may also be a run directory, whose network is then checked, or an ONNX model: then what
    keeps it from being imported. ``onnx`` says how to read one.
    """
    file = Path(file)
    if file.suffix == ".onnx":
        from htaflow.model.importers.onnx.importer import check_onnx

        return check_onnx(file, None if onnx is None else onnx.feature)
    if file.is_dir():
        inside = file / "network.safetensors"
        if not inside.is_file():
            return [
                Problem(
                    "file",
                    "it is a folder without a network.safetensors",
                    "name a network file, or a run that 'htaflow train' has finished",
                )
            ]
        file = inside
    return check_file(file)
