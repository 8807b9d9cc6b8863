"""Every problem of a network file at once, each with its fix."""

from pathlib import Path

from htaflow.model.integer.file import check_file
from htaflow.model.integer.problems import Problem
from htaflow.model.support.arguments import checked


@checked
def check(file: str | Path) -> list[Problem]:
    """Return every problem of the network at ``file``; an empty list means it is valid.

    ``file`` may also be a run directory, whose network is then checked.
    """
    file = Path(file)
    if file.suffix == ".onnx":
        return [
            Problem(
                "file",
                "ONNX networks cannot be read yet; QONNX import comes in a later version",
                "give a network.safetensors that htaflow wrote",
            )
        ]
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
