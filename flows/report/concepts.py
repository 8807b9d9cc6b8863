"""The report's part about concepts: what they are, what they weigh, and how they decided."""

from typing import Any

from htaflow.flows.explain import explained
from htaflow.flows.report.png import strip
from htaflow.model.integer.decision import find_head
from htaflow.model.integer.exemplars import load_exemplars
from htaflow.model.integer.network import Network
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError

Facts = dict[str, Any]


def collect_concepts(run: Run, network: Network) -> Facts | None:
    """Return names and weights of a network's concepts, and its explained frames; or ``None``.

    ``weights`` is ``None`` if they are no single sum's, ``share`` if no exemplars are there.
    Raises ``BadInputError`` if a file that it reads is damaged.
    """
    if network.concepts is None:
        return None
    exemplars = load_exemplars(run.exemplars, network)
    try:
        weights = find_head(network).weights.T.tolist()
    except BadInputError:
        weights = None  # more than one sum lies between
    return {
        "names": list(network.concepts.concepts),
        "weights": weights,
        "searched": None if exemplars is None else exemplars.searched,
        "share": None if exemplars is None else exemplars.share.tolist(),
        "classes": run.class_names(network),
        "explained": [] if weights is None else explained(run, network),
    }


def draw_concepts(run: Run, network: Network, facts: Facts | None) -> Facts:
    """Return pictures: of each concept's exemplars, if they are known, and of explained frames.

    In all of them the least feature of those frames and of the test set is black, the largest
    white.
    """
    drawn: Facts = {"most": [], "least": [], "frames": {}, "heaviest": 1}
    if facts is None:
        return drawn
    weights = (abs(weight) for row in facts["weights"] or [] for weight in row)
    drawn["heaviest"] = max([1, *weights])
    exemplars = load_exemplars(run.exemplars, network)
    test = run.load_test(network) if facts["explained"] else None
    shown = [] if exemplars is None else [exemplars.frames]
    shown += [] if test is None else [test[0]]
    if not shown:
        return drawn
    shape = run.load_features(network).shape
    black, white = min(int(each.min()) for each in shown), max(int(each.max()) for each in shown)
    if exemplars is not None:
        for kind, places in (("most", exemplars.most), ("least", exemplars.least)):
            drawn[kind] = [strip(exemplars.frames[row], black, white, shape) for row in places]
    for frame in (result["frame"] for result in facts["explained"]):
        assert test is not None
        drawn["frames"][frame] = strip(test[0][frame : frame + 1], black, white, shape)
    return drawn
