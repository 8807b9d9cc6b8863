"""Models of any precision are lowered exactly."""

import numpy as np
import pytest
import torch
from small_models import FRAMES, KINDS, encoder, lowered, model

from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear
from htaflow.model.nn.block import GroupSum, Hidden, Scores
from htaflow.model.nn.encode import Quantiser
from htaflow.model.nn.heaviside import Heaviside
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork


@pytest.mark.parametrize("precision", ["double", "half", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_models_of_any_precision_are_lowered_and_trained(kind, precision):
    made = getattr(model(kind), precision)()
    assert len(lowered(made)) == len(FRAMES)
    made.train()(torch.as_tensor(FRAMES)).sum().backward()


def test_a_double_model_is_the_one_that_it_was():
    made = model()
    once = lower(made, "made")
    assert lower(made.double(), "made").digest == once.digest


def test_ties_of_a_double_model_are_decided_by_exact_numbers():
    torch.manual_seed(0)
    frame = FRAMES[:1]
    linear = IntegerLinear(18, 200, 8, high=15)
    blocks = {"hidden": Heaviside(linear, HTAF()), "vote": GroupSum(2)}
    ties = BinaryNetwork(Quantiser(18, 4, False, 4), blocks).double()
    weights, step = linear.quantised()
    with torch.no_grad():  # rounded, every sum is 0 or next to it, and most are not quite that
        acc = weights @ torch.from_numpy(frame[0]).double()
        blocks["hidden"].bias.copy_(-(step * blocks["hidden"].scale * acc))
    prove_lowering(ties, lower(ties, "ties"), frame)

    hidden = Hidden(BinaryLinear(18, 200), HTAF())
    blocks = {"hidden": hidden, "vote": GroupSum(2)}
    ties = BinaryNetwork(encoder(), blocks).double().eval()
    norm = hidden.norm
    norm.eps = 0.0
    with torch.no_grad():
        acc = hidden.sums(ties.encoder(torch.from_numpy(frame)))[0]
        norm.running_mean.uniform_(-1, 1)
        norm.weight.uniform_(0.5, 2)
        norm.bias.copy_(-(norm.weight * (acc - norm.running_mean)))
    prove_lowering(ties, lower(ties, "ties"), frame)


@pytest.mark.parametrize("head", [Scores, lambda linear: Heaviside(linear, HTAF())])
def test_sums_too_large_for_single_precision_are_exact(head):
    torch.manual_seed(0)
    linear = IntegerLinear(4000, 6, 8, high=255)
    with torch.no_grad():
        linear.latent.uniform_(0.05, 0.1)
    block = head(linear)
    if isinstance(block, Heaviside):
        with torch.no_grad():
            weights, step = linear.quantised()
            sums = weights.double() @ torch.from_numpy(WIDE[0]).double()
            block.bias.copy_(-(step * block.scale * sums))
    large = BinaryNetwork(Quantiser(4000, 8, False, 8), {"head": block})
    prove_lowering(large, lower(large, "large"), WIDE)


WIDE = np.random.default_rng(0).integers(0, 256, (30, 4000))
