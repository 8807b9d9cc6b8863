"""How concepts decide: the weighted sums between named bits and the class."""

from dataclasses import dataclass

import numpy as np

from htaflow.model.integer.network import ArgMax, Dense, GroupSum, IntArray, Network
from htaflow.model.support.errors import BadInputError


@dataclass(frozen=True)
class Head:
    """What each class sums: ``score[c] = sum_i weights[c, i] * v[i]``.

    ``weights`` are ``[classes, concepts]``. v is a concept's bit, or with ``bipolar``
    2 bit - 1, so that a concept which is off counts too.
    """

    weights: IntArray
    bipolar: bool

    def contributions(self, bits: IntArray) -> IntArray:
        """Return what each concept adds to each score, ``[classes, concepts]``, for one frame."""
        values = 2 * bits.astype(np.int64) - 1 if self.bipolar else bits.astype(np.int64)
        return np.asarray(self.weights.astype(np.int64) * values)


def find_head(network: Network) -> Head:
    """Return how the scores of ``network`` come from its concepts.

    Raises ``BadInputError`` if it has no concepts, or if more than one sum lies between.
    """
    named = network.concepts
    if named is None:
        raise BadInputError(
            f"network '{network.name}' has no concepts; train one that has, such as digits-icbm"
        )
    *between, last = network.layers[network.layers.index(named) + 1 :] or [None]
    if isinstance(last, ArgMax) and len(between) == 1:
        head = between[0]
        if isinstance(head, Dense) and head.thresholds is None:
            return Head(head.weights, head.inputs == "bipolar")
        if isinstance(head, GroupSum):
            own = np.repeat(
                np.eye(head.groups, dtype=np.int8), len(named.concepts) // head.groups, axis=1
            )
            return Head(own, bipolar=False)
    raise BadInputError(
        f"network '{network.name}': its scores are no single sum of the concepts of "
        f"'{named.name}', so that what each adds cannot be told; let one Dense without thresholds, "
        "or one GroupSum, and an ArgMax follow"
    )
