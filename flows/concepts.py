"""The report's part about concepts: what they are, what they weigh, and how they decided."""

from typing import Any

from htaflow.flows.explain import class_names
from htaflow.flows.picture import strip
from htaflow.flows.rundir import Run, read_needed
from htaflow.model.decision import find_head
from htaflow.model.errors import BadInputError
from htaflow.model.exemplars import load_exemplars
from htaflow.model.network import Network

Facts = dict[str, Any]

_NEEDED = ("frame", "label", "class", "rival", "scores", "margin", "concepts", "classes", "network")


def collect_concepts(run: Run, network: Network) -> Facts | None:
    """Return names and weights of a network's concepts, and its explained frames; or ``None``.

    A frame that was explained by another network or other hardware is left out.
    """
    if network.concepts is None:
        return None
    try:
        weights = find_head(network).weights.T.tolist()
    except BadInputError:
        weights = None  # more than one sum lies between
    exemplars = load_exemplars(run.exemplars, network)
    explained = (read_needed(path, *_NEEDED) for path in run.explanations)
    classes = network.outputs["class"].high + 1 if "class" in network.outputs else 0
    return {
        "names": list(network.concepts.concepts),
        "weights": weights,
        "share": None if exemplars is None else exemplars.share.tolist(),
        "classes": class_names(run, classes),
        "explained": [
            result for result in explained if result and result.get("network") == network.digest
        ],
    }


def draw_concepts(run: Run, network: Network, facts: Facts | None) -> Facts:
    """Return pictures: of each concept's exemplars, if they are known, and of explained frames."""
    exemplars = None if facts is None else load_exemplars(run.exemplars, network)
    test = run.load_test()
    weights = [abs(weight) for row in (facts or {}).get("weights") or [] for weight in row]
    drawn: Facts = {"most": [], "least": [], "frames": {}, "heaviest": max([1, *weights])}
    if exemplars is not None:
        for kind, places in (("most", exemplars.most), ("least", exemplars.least)):
            drawn[kind] = [strip(exemplars.frames[row], network.input) for row in places]
    for result in facts["explained"] if facts is not None and test is not None else ():
        assert test is not None
        frame = result["frame"]
        drawn["frames"][frame] = strip(test[0][frame : frame + 1], network.input)
    return drawn
