"""Small models of every kind, as a user of PyTorch builds them, and frames for them."""

import numpy as np
import torch

from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
from htaflow.model.nn.block import GroupSum, Hidden, Scores
from htaflow.model.nn.conv import BinaryConv2d, Flatten, MaxPool2d, Unflatten
from htaflow.model.nn.encode import Encoder, Quantiser
from htaflow.model.nn.heaviside import Heaviside
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.lookup import tabulate
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.nn.spiking import Accumulate, Spiking, Steps

FRAMES = np.random.default_rng(0).integers(0, 16, (60, 18))


KINDS = ("dense", "images", "integers", "spikes", "tables")


def encoder(features: int = 18) -> Encoder:
    return Encoder(features, 4, False, np.arange(features), np.full(features, 8))


def model(kind: str = "dense") -> BinaryNetwork:
    """Return a small model of a kind, after a few steps of training."""
    torch.manual_seed(0)
    hidden = Hidden(SparseBinaryLinear(18, 8, 5), HTAF())
    blocks = {
        "dense": {"hidden": hidden, "scores": Scores(BinaryLinear(8, 3))},
        "images": {
            "image": Unflatten((2, 3, 3)),
            "hidden": BinaryConv2d(2, 4, 2, HTAF(), padding=1),
            "pool": MaxPool2d(2),
            "flat": Flatten(),
            "scores": Scores(IntegerLinear(16, 3, 4)),
        },
        "integers": {
            "hidden": Hidden(IntegerLinear(18, 8, 4, high=7), HTAF()),
            "deep": Heaviside(IntegerLinear(8, 6, 3), HTAF()),
            "scores": Scores(IntegerLinear(6, 3, 4)),
        },
        "spikes": {
            "steps": Steps(3),
            "hidden": Spiking(BinaryLinear(18, 6), HTAF(), beta=0.5),
            "vote": GroupSum(3),
            "count": Accumulate(),
        },
        "tables": {"hidden": hidden, "scores": Scores(BinaryLinear(8, 3))},
    }[kind]
    first = Quantiser(18, 4, False, 3) if kind == "integers" else encoder()
    made = BinaryNetwork(first, blocks)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.05)
    for _ in range(3):
        loss = (made.train()(torch.as_tensor(FRAMES)) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if kind == "tables":
        table = tabulate(hidden, "hidden", HTAF())
        return BinaryNetwork(encoder(), {"hidden": table, "scores": Scores(BinaryLinear(8, 3))})
    return made


def lowered(made: BinaryNetwork, frames=FRAMES):
    return prove_lowering(made, lower(made, "made"), frames)
