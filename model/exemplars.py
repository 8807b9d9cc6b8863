"""Exemplars: the training frames that switch each concept on most, and those that do least."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htaflow.model import golden
from htaflow.model.arrays import read_npz
from htaflow.model.errors import BadInputError
from htaflow.model.files import write_atomic
from htaflow.model.network import Concepts, Dense, IntArray, Network

SEARCHED = 10_000
"""Training frames among which exemplars are looked for: the first ones."""

SHOWN = 5
"""Exemplars of each kind, for each concept."""


@dataclass(frozen=True)
class Exemplars:
    """Frames by which people may see what a concept is.

    Attributes:
        frames: integers ``[M, features]``.
        most, least: indices into them, ``[concepts, K]``: the most, or least, of all first.
        share: of the frames that were searched, how many have each concept on, ``[concepts]``.
    """

    frames: IntArray
    most: IntArray
    least: IntArray
    share: npt.NDArray[np.float64]


def find_exemplars(network: Network, frames: IntArray) -> Exemplars:
    """Return exemplars among the first ``frames``, ``[N, features]``, of a network with concepts.

    What switches a concept on is a sum that reaches its threshold, and the frames are ordered by
    how far it does; by the bit alone if truth tables yield it. Equal frames keep their order.
    """
    searched = frames[:SEARCHED]
    margins = _margins(network, searched)
    shown = min(SHOWN, len(searched))
    most = np.argsort(-margins, axis=0, kind="stable")[:shown].T
    least = np.argsort(margins, axis=0, kind="stable")[:shown].T
    kept, places = np.unique(np.concatenate([most, least]), return_inverse=True)
    places = places.reshape(2, *most.shape)
    share = np.mean(margins >= 0, axis=0)
    return Exemplars(searched[kept], places[0], places[1], share)


def _margins(network: Network, frames: IntArray) -> IntArray:
    """Return how far each concept is from being off, ``[N, concepts]``: 0 or more is on."""
    position = [isinstance(layer, Concepts) for layer in network.layers].index(True)
    *before, last = network.layers[:position]
    if isinstance(last, Dense) and last.thresholds is not None:
        sums = Network(network.name, (*before, replace(last, thresholds=None)))
        return golden.run(sums, frames)["scores"] - last.thresholds.astype(np.int64)
    return golden.run(network, frames)["concepts"].astype(np.int64) - 1


def save_exemplars(exemplars: Exemplars, path: Path) -> None:
    """Write ``exemplars`` to the ``.npz`` file ``path``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **vars(exemplars))
    write_atomic(path, buffer.getvalue())


def load_exemplars(path: Path, network: Network) -> Exemplars | None:
    """Return what :func:`save_exemplars` wrote for ``network``, or ``None`` if there is no file.

    Raises ``BadInputError`` if the file is damaged, or of another network.
    """
    names = ("frames", "most", "least", "share")
    try:
        arrays, _ = read_npz(path, names)
    except FileNotFoundError:
        return None
    found = Exemplars(**arrays) if set(arrays) == set(names) else None
    if found is None or not _fits(found, network):
        raise BadInputError(f"{path}: it holds no exemplars of this network; train it again")
    return found


def _fits(found: Exemplars, network: Network) -> bool:
    """Whether the arrays are such as :func:`find_exemplars` returns for ``network``."""
    assert network.concepts is not None
    count = len(network.concepts.concepts)
    if found.frames.ndim != 2 or found.share.shape != (count,):
        return False
    frames = len(found.frames)
    return found.frames.shape[1] == network.input.count and all(
        places.ndim == 2
        and len(places) == count
        and places.dtype.kind in "iu"
        and bool(((places >= 0) & (places < frames)).all())
        for places in (found.most, found.least)
    )
