import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.block import GroupSum
from htaflow.model.nn.encode import Encoder
from htaflow.model.nn.lookup import LookupNeurons
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.training import zoo
from htaflow.model.training.drop_and_grow import STOP_AFTER, rewire, share_now
from htaflow.model.training.recipe import refined_recipe


def model(source: Tensor, latent: Tensor) -> BinaryNetwork:
    features = 8
    encoder = Encoder(features, 1, False, np.arange(features), np.ones(features, np.int64))
    return BinaryNetwork(
        encoder,
        {"hidden1": LookupNeurons(source, latent, HTAF()), "vote": GroupSum(2)},
    )


def frames(count: int = 400) -> tuple[Tensor, Tensor]:
    """Random bits; the class is bit 5."""
    bits = torch.randint(2, (count, 8), generator=torch.Generator().manual_seed(3)).float()
    return bits, bits[:, 5].long()


def rewired(network: BinaryNetwork, share: float) -> LookupNeurons:
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    rewire(network, optimizer, *frames(), temperature=1.0, share=share)
    layer = network.blocks[0]
    assert isinstance(layer, LookupNeurons)
    return layer


def test_the_useless_wire_gives_way_to_the_one_that_tells_the_class() -> None:
    # Neuron 0 heeds input 0 and not input 1; neuron 1 heeds input 2 and not input 3.
    source = torch.tensor([[0, 1], [3, 2]])
    latent = torch.tensor([[-1.0, 1.0, -1.0, 1.0], [-1.0, -1.0, 1.0, 1.0]])
    layer = rewired(model(source.clone(), latent.clone()), share=1.0)
    assert layer.source.tolist() == [[0, 5], [5, 2]]
    # Nothing else has changed: each function is what it was.
    assert torch.equal(layer.latent.detach(), latent)


def test_halves_that_differ_are_averaged() -> None:
    source = torch.tensor([[0, 1], [2, 3]])
    latent = torch.tensor([[-1.0, 1.0, -3.0, 2.0], [0.5, 0.7, 0.9, 1.1]])
    network = model(source, latent)
    layer = rewired(network, share=1.0)
    assert layer.source[0, 1] == 5, "input 1 never turns neuron 0"
    assert torch.equal(layer.latent.detach()[0], torch.tensor([-2.0, 1.5, -2.0, 1.5]))


def test_only_the_share_is_rewired_and_the_least_useful_first() -> None:
    source = torch.tensor([[0, 1], [2, 3]])
    # Neuron 0 is the parity of its inputs: both always matter. Neuron 1 heeds input 2 alone.
    latent = torch.tensor([[-1.0, 1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]])
    layer = rewired(model(source, latent), share=0.5)
    assert layer.source.tolist() == [[0, 1], [2, 5]]


def test_no_neuron_reads_an_input_twice() -> None:
    torch.manual_seed(0)
    network = model(torch.stack([torch.randperm(8)[:6] for _ in range(20)]), torch.randn(20, 64))
    for _ in range(5):
        layer = rewired(network, share=1.0)
        assert all(len(set(row)) == 6 for row in layer.source.tolist())


def test_the_optimizer_forgets_where_changed_tables_were_heading() -> None:
    network = model(
        torch.tensor([[0, 1], [2, 3]]), torch.tensor([[-1.0, 1, 1, -1], [-1, 1, -1, 1]])
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-6)
    bits, labels = frames()
    network.decide(bits).sum().backward()
    optimizer.step()
    layer = network.blocks[0]
    assert isinstance(layer, LookupNeurons)
    before = optimizer.state[layer.latent]["exp_avg"].clone()
    rewire(network, optimizer, bits, labels, temperature=1.0, share=0.5)
    after = optimizer.state[layer.latent]["exp_avg"]
    assert torch.equal(after[0], before[0]) and before[1].any() and not after[1].any()


def test_the_share_falls_to_nothing() -> None:
    assert share_now(0.6, 0.0) == 0.6
    assert math.isclose(share_now(0.6, STOP_AFTER / 2), 0.3)
    assert share_now(0.6, STOP_AFTER) == share_now(0.6, 1.0) == 0.0


def test_recipes_without_tables_do_not_rewire() -> None:
    assert zoo.ZOO["digits"].rewiring == 0.0
    tabled = zoo.ZOO["mnist-xs"]
    assert tabled.rewiring == 0.0 and refined_recipe(tabled, tabled.epochs).rewiring > 0
    assert replace(tabled, refinement=None).rewiring == 0.0
