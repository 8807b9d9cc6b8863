"""Exemplars: the training frames that switch each concept on most, and those that do least."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer import golden
from htaflow.model.integer.network import Dense, IntArray, Network
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import write_atomic
from htaflow.model.support.npz import read_npz

SEARCHED = 10_000
"""Training frames among which exemplars are looked for, at most: one in so many of them all."""

SHOWN = 5
"""Exemplars of each kind, for each concept."""


@dataclass(frozen=True)
class Exemplars:
    """Frames by which people may see what a concept is.

    Attributes:
        frames: integers ``[M, features]``.
        most, least: indices into them, ``[concepts, K]``: the most, or least, of all first.
        share: of the frames that were searched, how many have each concept on, ``[concepts]``.
        searched: how many frames that were.
    """

    frames: IntArray
    most: IntArray
    least: IntArray
    share: npt.NDArray[np.float64]
    searched: int


def find_exemplars(network: Network, frames: IntArray) -> Exemplars:
    """Return exemplars among ``frames``, ``[N, features]``, of a network with concepts.

    What switches a concept on is a sum that reaches its threshold, and the frames are ordered by
    how far it does; by the bit alone if truth tables yield it. Equal frames keep their order.
    """
    searched = frames[:: -(-len(frames) // SEARCHED)]
    margins = _margins(network, searched)
    shown = min(SHOWN, len(searched))
    most = np.argsort(-margins, axis=0, kind="stable")[:shown].T
    least = np.argsort(margins, axis=0, kind="stable")[:shown].T
    kept, places = np.unique(np.concatenate([most, least]), return_inverse=True)
    places = places.reshape(2, *most.shape)
    share = np.mean(margins >= 0, axis=0)
    return Exemplars(searched[kept], places[0], places[1], share, len(searched))


def _margins(network: Network, frames: IntArray) -> IntArray:
    """Return how far each concept is from being off, ``[N, concepts]``: 0 or more is on."""
    assert network.concepts is not None
    *before, last = network.layers[: network.layers.index(network.concepts)]
    if isinstance(last, Dense) and last.thresholds is not None:
        sums = Network(network.name, (*before, replace(last, thresholds=None)))
        return golden.run(sums, frames)["scores"] - last.thresholds.astype(np.int64)
    return golden.run(network, frames)["concepts"].astype(np.int64) - 1


def save_exemplars(exemplars: Exemplars, network: Network, path: Path) -> None:
    """Write ``exemplars`` of ``network`` to the ``.npz`` file ``path``."""
    write_atomic(path, exemplars_bytes(exemplars, network))


def exemplars_bytes(exemplars: Exemplars, network: Network) -> bytes:
    """Return the content of the ``.npz`` file of ``exemplars`` of ``network``."""
    buffer = io.BytesIO()
    arrays = vars(exemplars) | {"network": network.digest}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def load_exemplars(path: Path, network: Network) -> Exemplars | None:
    """Return what :func:`save_exemplars` wrote for ``network``.

    ``None`` if there is no file, or one of another network. Raises ``BadInputError`` if it is
    damaged.
    """
    names = ("frames", "most", "least", "share", "searched")
    try:
        arrays, _ = read_npz(path, (*names, "network"))
    except FileNotFoundError:
        return None
    owner = arrays.pop("network", None)
    if owner is not None and str(owner) != network.digest:
        return None
    if owner is None or set(arrays) != set(names) or not _fits(arrays, network):
        raise BadInputError(f"{path}: it is damaged; delete it, and train again for another")
    searched = int(arrays.pop("searched"))
    return Exemplars(**arrays, searched=searched)


def _fits(arrays: Mapping[str, npt.NDArray[Any]], network: Network) -> bool:
    """Whether arrays are such as :func:`find_exemplars` returns for ``network``."""
    assert network.concepts is not None
    concepts, frames, share = len(network.concepts.concepts), arrays["frames"], arrays["share"]
    places = (arrays["most"], arrays["least"])
    shown = arrays["most"].shape[1:]
    return (
        all(array.dtype.kind in "iu" for array in (frames, arrays["searched"], *places))
        and frames.shape[1:] == network.input.shape
        and bool(((frames >= network.input.low) & (frames <= network.input.high)).all())
        and all(rows.shape == (concepts, *shown) for rows in places)
        and len(shown) == 1
        and 1 <= shown[0] <= SHOWN
        and all(bool(((rows >= 0) & (rows < len(frames))).all()) for rows in places)
        and share.dtype.kind == "f"
        and share.shape == (concepts,)
        and bool(((share >= 0) & (share <= 1)).all())
        and arrays["searched"].ndim == 0
    )
