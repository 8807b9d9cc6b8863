from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from htaflow.model.integer.file import load_network
from htaflow.model.integer.golden import lookup, planes
from htaflow.model.integer.network import Lookup
from htaflow.model.nn.activation import HTAF, htaf
from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
from htaflow.model.nn.block import Hidden
from htaflow.model.nn.lookup import LookupNeurons, tabulate
from htaflow.model.support.errors import BadInputError
from htaflow.model.training import zoo
from htaflow.model.training.recipe import Neurons, Refinement
from htaflow.model.training.train import train

NEURONS = Refinement(temperature=1.5, epochs=2, batch=64)


def neurons(out: int = 5, inputs: int = 7, fan_in: int = 3) -> LookupNeurons:
    numbers = torch.Generator().manual_seed(0)
    source = torch.randint(inputs, (out, fan_in), generator=numbers)
    return LookupNeurons(source, torch.randn(out, 1 << fan_in, generator=numbers), HTAF())


def random_bits(frames: int, width: int) -> Tensor:
    return torch.randint(2, (frames, width), generator=torch.Generator().manual_seed(1)).float()


def test_the_forward_pass_is_the_lookup() -> None:
    layer, bits = neurons(), random_bits(50, 7)
    found = layer(bits)
    for frame in range(50):
        for n, source in enumerate(layer.source):
            index = sum(int(bits[frame, i]) << k for k, i in enumerate(source))
            assert found[frame, n] == float(layer.latent[n, index] >= 0)


def test_the_gradient_is_that_of_the_docstring() -> None:
    layer, bits = neurons(out=1, inputs=3), random_bits(1, 3).requires_grad_()
    layer(bits).sum().backward()
    source, table = layer.source[0].tolist(), layer.latent[0].detach()
    index = sum(int(bits[0, i]) << k for k, i in enumerate(source))
    entry = table[index].clone().requires_grad_()
    htaf(entry, 4.0, 1.0).backward()
    assert layer.latent.grad is not None and entry.grad is not None and bits.grad is not None
    expected = torch.zeros(8)
    expected[index] = entry.grad
    assert torch.allclose(layer.latent.grad[0], expected)
    inputs = torch.zeros(3)
    for k, i in enumerate(source):
        with_one, without = table[index | 1 << k], table[index & ~(1 << k)]
        inputs[i] += htaf(with_one, 4.0, 1.0) - htaf(without, 4.0, 1.0)
    assert torch.allclose(bits.grad[0], inputs)


@pytest.mark.parametrize("fan_in", [1, 4, 6])
def test_tables_decide_as_the_neurons_they_come_from(fan_in: int) -> None:
    torch.manual_seed(fan_in)
    hidden = Hidden(SparseBinaryLinear(9, 20, fan_in), HTAF())
    hidden.norm.running_mean = torch.randn(20)
    torch.nn.init.normal_(hidden.norm.weight)
    torch.nn.init.normal_(hidden.norm.bias)
    hidden.eval()
    bits = random_bits(200, 9)
    assert torch.equal(tabulate(hidden, "hidden1", HTAF())(bits), hidden(bits))


def test_wide_neurons_are_no_tables() -> None:
    with pytest.raises(BadInputError, match="hidden1: a neuron has fan-in 9"):
        tabulate(Hidden(BinaryLinear(9, 2), HTAF()), "hidden1", HTAF())


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"must be \[out, K\]"):
        LookupNeurons(torch.zeros(3, 2, dtype=torch.long), torch.zeros(3, 8), HTAF())


def test_lowering_refuses_what_is_no_number() -> None:
    layer = neurons()
    with torch.no_grad():
        layer.latent[2, 3] = torch.nan
    with pytest.raises(BadInputError, match=r"'hidden1\.latent' holds nan at"):
        layer.lower("hidden1")


@pytest.fixture
def small_recipe(monkeypatch: pytest.MonkeyPatch) -> str:
    hidden = (Neurons(30, 4, 20), Neurons(20, 4, 10))
    recipe = replace(zoo.ZOO["digits"], name="small", hidden=hidden, epochs=2, refinement=NEURONS)
    monkeypatch.setitem(zoo.ZOO, "small", recipe)
    return "small"


def test_a_refined_model_is_trained_lowered_and_resumed(small_recipe, tmp_path) -> None:
    whole = train(small_recipe, "digits", tmp_path / "whole")
    network = load_network(tmp_path / "whole" / "network.safetensors")
    assert [layer.type for layer in network.layers[1:3]] == ["Lookup", "Lookup"]
    assert [entry["epoch"] for entry in whole["history"]] == [1, 2, 3, 4]

    def interrupt(line: str) -> None:
        if "epoch 1/2" in line and (tmp_path / "cut" / "checkpoint-tables.safetensors").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_recipe, "digits", tmp_path / "cut", progress=interrupt)
    again = train(small_recipe, "digits", tmp_path / "cut")
    assert again["network"] == whole["network"]
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == [
        "network.safetensors", "test.npz", "train.json",
    ]  # fmt: skip


def test_golden_looks_up_what_torch_does() -> None:
    layer, bits = neurons(out=12, inputs=20, fan_in=6), random_bits(300, 20)
    lowered = layer.lower("hidden1")
    assert isinstance(lowered, Lookup)
    packed = planes.pack(bits.numpy().T.astype(bool))
    found = planes.unpack(lookup.look_up(lowered.tables, packed[lowered.source.T]), 300)
    assert np.array_equal(found, layer(bits).detach().numpy())
