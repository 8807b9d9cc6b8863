"""``htaflow explain``: why the hardware decided as it did on one frame, by its concepts."""

from pathlib import Path
from typing import Any

import numpy as np

from htaflow.flows.rundir import Run, read_result, source_digest, unchanged
from htaflow.model.decision import find_head
from htaflow.model.errors import BadInputError, MismatchError
from htaflow.model.files import digest, write_json
from htaflow.model.progress import Progress, silent
from htaflow.sim.observe import observe


def explain(run: Path, frame: int = 0, *, progress: Progress = silent) -> dict[str, Any]:
    """Simulate one test frame and say what each concept added to the decision.

    Class, scores and concepts are what the hardware gave; that its concepts, by the network's
    weights, add up to its scores is checked. Writes ``RUN/explain/frame-N.json``.

    Args:
        run: the run directory of a network with concepts, with ``rtl/`` and a test set.
        frame: which frame of the test set.
        progress: is told what is being done.

    Returns:
        What was written: ``class`` is what the hardware says, ``rival`` the other class with the
        largest score. For each of ``concepts``, ``on`` is its bit, ``toward`` what it added to the
        class's score less what it added to the rival's; all of these sum to the ``margin``.

    Raises:
        BadInputError: the network has no concepts, the run lacks something, or there is no such
            frame.
        MissingToolError: there is no simulator.
        SimulationError: the simulation crashed or hung.
        MismatchError: the hardware differs from golden.
    """
    here = Run(run)
    network = here.load_network()
    head = find_head(network)
    concepts = network.concepts
    assert concepts is not None
    test = here.load_test()
    if test is None:
        raise BadInputError(f"{run}: it holds no test set; train its network here")
    frames, labels = test
    if not 0 <= frame < len(frames):
        raise BadInputError(f"{here.test}: there is no frame {frame}; use 0 to {len(frames) - 1}")
    path = here.explanation(frame)
    verilog = here.verilog.read_bytes() if here.verilog.is_file() else b""
    code = source_digest("htaflow.model", "htaflow.sim", "htaflow.flows")
    inputs = digest(network.digest, verilog, frames[frame].astype("<i8").tobytes(), code)
    if (stored := unchanged(path, inputs)) is not None:
        progress("explain: unchanged")
        return stored
    progress(f"explain: simulating frame {frame}")
    seen = {name: values[0] for name, values in observe(run, frames[frame : frame + 1]).items()}
    parts, scores, chosen = head.parts(seen["concepts"]), seen["scores"], int(seen["class"][0])
    if not np.array_equal(parts.sum(axis=1), scores):
        raise MismatchError(
            f"{run}: the concepts that the hardware gave for frame {frame} do not add up to its "
            "scores; this is a fault of htaflow: please report it"
        )
    rival = max((c for c in range(len(scores)) if c != chosen), key=lambda c: (scores[c], -c))
    toward = parts[chosen] - parts[rival]
    result = {
        "frame": frame,
        "label": int(labels[frame]),
        "class": chosen,
        "rival": rival,
        "scores": scores.tolist(),
        "margin": int(scores[chosen] - scores[rival]),
        "concepts": [
            {"name": name, "on": bool(bit), "toward": int(moved)}
            for name, bit, moved in zip(concepts.concepts, seen["concepts"], toward, strict=True)
        ],
        "classes": class_names(here, len(scores)),
        "network": network.digest,
        "inputs": inputs,
    }
    write_json(path, result)
    return result


def class_names(run: Run, count: int) -> list[str]:
    """Return what ``count`` classes are called: as their training says, or by number."""
    names = (read_result(run.train) or {}).get("classes")
    if not isinstance(names, list) or len(names) != count:
        return [str(index) for index in range(count)]
    return [str(name) for name in names]
