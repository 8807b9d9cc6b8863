"""Small networks that decide by four concepts."""

import numpy as np
from networks import random_dense, random_encode

from htaflow.model.integer.network import ArgMax, Concepts, GroupSum, Network

NAMES = ("round", "<b>tall</b>", "dark & open", "日本")


def network_of(*after, name="network"):
    """Four concepts, and what follows them."""
    encode = random_encode(np.random.default_rng(0), 9, 20, 4, False)
    hidden = random_dense(np.random.default_rng(1), "hidden", 20, 4, fan_in=9)
    return Network(name, (encode, hidden, Concepts("concepts", NAMES), *after))


def scores(**options):
    """Three classes' sums of four concepts."""
    rng = np.random.default_rng(2)
    return random_dense(rng, "scores", 4, 3, thresholds=False, weight_bits=4, **options)


DECIDING = network_of(scores(unipolar=True), ArgMax("argmax"))
BIPOLAR = network_of(scores(), ArgMax("argmax"))
VOTING = network_of(GroupSum("vote", 2), ArgMax("argmax"))
