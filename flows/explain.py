"""``htaflow explain``: why the hardware decided as it did on one frame, by its concepts."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from htaflow.model.data.features import Features
from htaflow.model.integer.decision import Head, find_head
from htaflow.model.integer.network import IntArray, Network
from htaflow.model.run_directory import Run, read_result, source_digest, unchanged
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.model.support.files import digest, locked_folder, write_json
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Object
from htaflow.sim.observe import observe

Facts = dict[str, Any]


@checked
def explain(
    run: str | Path, frame: int = 0, *, timeout: float | None = None, progress: Progress = silent
) -> Facts:
    """Simulate one test frame and say what each concept contributed to the decision.

    Class, scores and concepts are what the hardware gave; that its concepts, by the network's
    weights, add up to its scores is checked. They are kept in ``RUN/explain/frame-N.json``.

    Args:
        run: the run directory of a network with concepts, with ``rtl/`` and a test set.
        frame: which frame of the test set.
        timeout: seconds that the simulation may take; by default any time while it makes progress.
        progress: is told what is being done.

    Returns:
        What :func:`describe` returns, and as ``features`` what :func:`describe_frame` does.

    Raises:
        BadInputError: the network has no concepts, the run lacks something, or there is no such
            frame.
        MissingToolError: there is no simulator.
        SimulationError: the simulation crashed or hung.
        MismatchError: the hardware differs from golden.
    """
    run = Path(run)
    here = Run(run)
    network = here.load_network()
    head = find_head(network)
    test = here.load_test(network)
    if test is None:
        raise BadInputError(f"{run}: it holds no test set; train its network here")
    frames, labels = test
    if not 0 <= frame < len(frames):
        raise BadInputError(f"{here.test}: there is no frame {frame}; use 0 to {len(frames) - 1}")
    path = here.explanation(frame)
    hardware = hardware_digest(here)
    inputs = digest(
        network.digest,
        hardware,
        frames[frame].astype("<i8").tobytes(),
        source_digest("htaflow.model.integer", "htaflow.hw", "htaflow.sim"),
    )

    def stored() -> Facts | None:
        found = unchanged(path, inputs, Object)
        return found if found is not None and _adds_up(found, frame, head) else None

    found = stored()
    if found is None:
        with locked_folder(
            path.parent, lambda: progress("explain: waiting for another one of the run")
        ):
            found = stored()
            if found is None:
                progress(f"explain: simulating frame {frame}")
                seen = observe(run, network, frames[frame : frame + 1], timeout=timeout)
                found = {
                    "frame": frame,
                    "class": int(seen["class"][0, 0]),
                    "scores": seen["scores"][0].tolist(),
                    "concepts": seen["concepts"][0].tolist(),
                    "network": network.digest,
                    "hardware": hardware,
                    "inputs": inputs,
                }
                if not _adds_up(found, frame, head):
                    raise MismatchError(
                        f"{run}: the concepts that the hardware gave for frame {frame} do not add "
                        "up to its scores; this is a fault of htaflow: please report it"
                    )
                write_json(path, found)
    else:
        progress("explain: unchanged")
    told = describe(network, found, int(labels[frame]), here.class_names(network))
    return {**told, "features": describe_frame(here.load_features(network), frames[frame])}


def explained(run: Run, network: Network) -> list[Facts]:
    """Return what :func:`describe` says of each frame that was explained, by frame.

    Those of another network or other hardware are left out. Raises ``BadInputError`` for a file
    that is damaged.
    """
    test = run.load_test(network) if run.explanations else None
    if test is None:
        return []
    frames, labels = test
    known = run.load_features(network)
    head, names, hardware = find_head(network), run.class_names(network), hardware_digest(run)
    found = []
    for path in run.explanations:
        stored = read_result(path, Object) or {}
        if (stored.get("network"), stored.get("hardware")) != (network.digest, hardware):
            continue
        frame = stored.get("frame")
        if (
            type(frame) is not int
            or not 0 <= frame < len(labels)
            or not _adds_up(stored, frame, head)
        ):
            again = f"htaflow explain {shlex.quote(str(run.path))} --frame N"
            raise BadInputError(f"{path}: it is damaged; delete it, or run '{again}' again")
        told = describe(network, stored, int(labels[frame]), names)
        found.append({**told, "features": describe_frame(known, frames[frame])})
    return found


def hardware_digest(run: Run) -> str:
    """Return the digest of the run's Verilog, or of nothing."""
    return digest(run.verilog.read_bytes() if run.verilog.is_file() else b"")


def describe(network: Network, found: Facts, label: int, classes: list[str]) -> Facts:
    """Return what an explanation says, in plain JSON values, of what the hardware gave.

    ``label`` is what the frame is, ``classes`` what all are called, both as in the result. There,
    ``rival`` is the other class with the largest score, ``margin`` how far it lies behind. Each of
    ``concepts`` has ``name``, ``on``, its bit, and ``contribution``: what it adds to the class's
    score, less what it adds to the rival's. All contributions sum to the margin.
    """
    head, concepts = find_head(network), network.concepts
    assert concepts is not None
    scores, chosen = found["scores"], found["class"]
    rival = max((c for c in range(len(scores)) if c != chosen), key=lambda c: (scores[c], -c))
    parts = head.contributions(np.asarray(found["concepts"]))
    each = zip(concepts.concepts, found["concepts"], parts[chosen] - parts[rival], strict=True)
    return {
        "frame": found["frame"],
        "label": label,
        "class": chosen,
        "rival": rival,
        "scores": scores,
        "margin": scores[chosen] - scores[rival],
        "concepts": [
            {"name": name, "on": bool(bit), "contribution": int(added)} for name, bit, added in each
        ],
        "classes": classes,
    }


def describe_frame(known: Features, frame: IntArray) -> list[Facts]:
    """Return name and value, in the user's units, of each feature of a frame of named features.

    Of frames whose features have no names, such as images, nothing.
    """
    if known.names is None:
        return []
    values = known.values(frame)
    return [{"name": known.name(index), "value": value} for index, value in enumerate(values)]


def _adds_up(found: Facts, frame: int, head: Head) -> bool:
    """Whether what is stored is a decision on ``frame``: its concepts give its scores and class."""
    chosen, scores, bits = found.get("class"), found.get("scores"), found.get("concepts")
    if found.get("frame") != frame or not isinstance(scores, list) or not isinstance(bits, list):
        return False
    if not all(type(number) is int for number in [chosen, *scores, *bits]):
        return False
    if len(bits) != head.weights.shape[1] or not set(bits) <= {0, 1}:
        return False
    sums = head.contributions(np.asarray(bits)).sum(axis=1)
    return sums.tolist() == scores and int(sums.argmax()) == chosen
