"""The main job on built-in data: from handwritten digits to two bitstreams and a report."""

from pathlib import Path
from typing import Any

from htaflow.flows.build.parallel import build_all
from htaflow.flows.convert import convert
from htaflow.flows.report.report import report
from htaflow.model.support.progress import Progress, silent

BOARDS = ("icebreaker", "ulx3s-25f")


def demo(
    out: Path = Path("runs/digits"),
    *,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train, convert, verify on every test frame, build for :data:`BOARDS` and report.

    Steps whose inputs have not changed are not run again. Returns the results of the steps by
    name, and the report's path as ``page``. Raises what the steps raise.
    """
    from htaflow.model.training.train import train  # PyTorch takes seconds to import
    from htaflow.sim.verify import verify_rtl

    results: dict[str, Any] = {"train": train("digits", "digits", out, progress=progress)}
    results["convert"] = convert(out, progress=progress)
    results["verify"] = verify_rtl(out, progress=progress)
    results["build"] = build_all(out, BOARDS, progress=progress)
    results["page"] = report(out, progress=progress)
    return results
