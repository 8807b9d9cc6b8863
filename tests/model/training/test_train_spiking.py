"""Spiking networks trained: exact when lowered, and able to learn."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from htaflow.flows.convert import convert
from htaflow.model.data.dataset import make_dataset
from htaflow.model.integer.file import load_network
from htaflow.model.integer.network import Network
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
from htaflow.model.nn.block import GroupSum, Hidden
from htaflow.model.nn.encode import Encoder, rate_thresholds
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.nn.spiking import Accumulate, Spiking, Steps
from htaflow.model.nn.surrogates import SURROGATES, Surrogate
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.model.training import zoo
from htaflow.model.training.assemble import build_model
from htaflow.model.training.fit import calibrate, encode
from htaflow.model.training.recipe import HeavisideNeurons, Neurons, SpikingNeurons
from htaflow.model.training.train import train
from htaflow.model.training.zoo import find_recipe
from htaflow.sim.verify import verify_rtl


def model(seed=0, steps=4, activation=None, **options):
    """Eight features, 12 + 6 neurons that have seen some frames, three classes."""
    torch.manual_seed(seed)
    activation = HTAF(2.0) if activation is None else activation
    encoder = Encoder(8, 4, False, np.arange(8), np.full(8, 8))
    blocks = {
        "steps": Steps(steps),
        "hidden1": Spiking(SparseBinaryLinear(8, 12, 4), activation, **options),
        "hidden2": Spiking(BinaryLinear(12, 6), activation, **options),
        "vote": GroupSum(3),
        "count": Accumulate(),
    }
    network = BinaryNetwork(encoder, blocks)
    with torch.no_grad():
        for parameter in (network.hidden1, network.hidden2):
            parameter.gain.uniform_(-1, 1)
            parameter.shift.uniform_(-1, 1)
    network.train()
    for _ in range(3):
        network(torch.as_tensor(frames(64, seed)))
    return network


def frames(count, seed):
    return np.random.default_rng(seed).integers(0, 16, (count, 8))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    steps=st.integers(1, 9),
    beta=st.sampled_from([1.0, 0.5, 0.75, 0.875]),
    reset=st.sampled_from(["subtract", "zero"]),
    fraction=st.integers(0, 4),
)
def test_every_spike_of_every_step_is_golden(seed, steps, beta, reset, fraction):
    trained = model(seed, steps, beta=beta, reset_mechanism=reset, fraction=fraction)
    network = lower(trained, "net")
    classes = prove_lowering(trained, network, frames(100, seed + 1))
    assert classes.shape == (100,)


def test_membranes_wider_than_single_precision_are_golden(monkeypatch):
    """Single precision would round the membrane of the third step up to the threshold."""
    spiking = Spiking(BinaryLinear(1, 2), HTAF(), fraction=23)
    with torch.no_grad():
        spiking.linear.latent.fill_(1.0)
    integers = torch.full((2,), 3 * 2.0**23 + 4), torch.ones(2)
    monkeypatch.setattr(spiking, "integers", lambda: integers)
    blocks = {"steps": Steps(3), "hidden": spiking, "count": Accumulate()}
    trained = BinaryNetwork(Encoder(1, 1, False, np.array([0]), np.array([1])), blocks)
    network = lower(trained, "net")
    assert network.layers[2].membranes(3)[1].max() == 3 * 2**23 + 3
    prove_lowering(trained, network, np.array([[1], [0]]))


@pytest.mark.parametrize(
    "layer",
    [Neurons(9, 4), Neurons(4), HeavisideNeurons(4, 5), HeavisideNeurons(7, normalised=False)],
)
def test_neurons_without_a_membrane_are_golden_in_every_step(layer, rng):
    x, y = rng.integers(0, 16, (60, 8)), np.arange(60) % 3
    dataset = make_dataset("table", "table", (x[:48], y[:48]), (x[48:], y[48:]))
    hidden = (SpikingNeurons(12, 4), layer, SpikingNeurons(6))
    recipe = dataclasses.replace(find_recipe("digits-snn"), hidden=hidden, steps=4)
    trained = build_model(recipe, dataset, 0)
    trained.train()
    trained(torch.as_tensor(dataset.x_train)).sum().backward()
    calibrate(trained, encode(trained.encoder, dataset.x_train))
    if isinstance(trained.hidden2, Hidden):
        bits = trained.hidden1(trained.steps(trained.encode(torch.as_tensor(dataset.x_train))))
        sums = trained.hidden2.sums(bits).flatten(0, 1)
        assert torch.allclose(trained.hidden2.norm.running_mean, sums.mean(dim=0), atol=1e-5)
    network = lower(trained, "net")
    assert network.values["hidden2"].steps == 4
    prove_lowering(trained, network, dataset.x_test)


def test_a_difference_is_named_with_its_step():
    trained = model()
    network = lower(trained, "net")
    layers = list(network.layers)
    layers[2] = dataclasses.replace(layers[2], thresholds=layers[2].thresholds + 1)
    with pytest.raises(MismatchError, match=r"layer 'hidden1', neuron \d+, frame \d+, step \d: "):
        prove_lowering(trained, Network("net", tuple(layers)), frames(100, 1))


@pytest.mark.parametrize(
    "activation",
    [HTAF(2.0), HTAF(2.0, hard=False), *(Surrogate(name, 1.0) for name in SURROGATES)],
    ids=repr,
)
def test_the_gradient_reaches_every_parameter_through_time(activation):
    trained = model(activation=activation, beta=0.5)
    scores = trained(torch.as_tensor(frames(64, 3)))
    torch.nn.functional.cross_entropy(scores, torch.arange(64) % 3).backward()
    for name, parameter in trained.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_thresholds_are_integers_while_training():
    block = model(fraction=3).hidden1
    for numbers in block.integers():
        assert torch.equal(numbers, numbers.round())
    assert (block.integers()[0] >= 1).all()


def test_the_same_frame_in_each_step_is_summed_once_to_the_same_end():
    block = model().hidden1.eval()
    bits = (torch.rand(20, 8) < 0.5).float()
    direct = Steps(4)(bits)
    assert torch.equal(block(direct), block(direct.contiguous()))


@pytest.mark.parametrize("beta", [0.9, 0.0, 1.5, -0.5])
def test_a_beta_that_no_shift_leaves_is_refused_with_the_nearest(beta):
    nearest = {0.9: "0.875", 0.0: "0.5", 1.5: "1", -0.5: "0.5"}[beta]
    with pytest.raises(BadInputError, match=rf"beta is {beta:g}, .* the nearest is {nearest}$"):
        Spiking(BinaryLinear(4, 2), HTAF(), beta=beta)


@pytest.mark.parametrize("beta", [torch.tensor(0.5), nn.Parameter(torch.tensor([0.5]))])
def test_a_beta_may_be_a_tensor_of_one_number(beta):
    spiking = Spiking(BinaryLinear(4, 2), HTAF(), beta=beta)
    assert (spiking.beta, spiking.leak) == (0.5, 1)
    assert "beta=0.5," in repr(spiking)


def test_a_beta_for_each_neuron_is_refused():
    with pytest.raises(ValueError, match=r"beta has shape \[2\]; use one for all neurons"):
        Spiking(BinaryLinear(4, 2), HTAF(), beta=torch.tensor([0.5, 0.5]))


def test_a_rate_code_has_as_many_ones_as_a_feature_is_high():
    frames = np.array([[0, 16, 64, 128, 240, 256]])
    source, threshold = rate_thresholds(frames, 1000)
    assert (threshold >= 1).all()
    assert (threshold <= 256).all()
    ones = (frames[0, source] >= threshold).reshape(1000, 6).mean(axis=0)
    assert np.abs(ones - frames[0] / 256).max() < 0.04
    assert (ones[0], ones[-1]) == (0, 1)


def test_a_network_of_rate_code_is_golden(rng):
    x, y = rng.integers(0, 256, (60, 5)), np.arange(60) % 3
    dataset = make_dataset("table", "table", (x[:48], y[:48]), (x[48:], y[48:]))
    recipe = dataclasses.replace(find_recipe("digits-snn"), coding="rate", steps=6)
    trained = build_model(recipe, dataset, 0)
    trained.train()
    trained(torch.as_tensor(dataset.x_train))
    network = lower(trained, "net")
    assert network.layers[1].coding == "split"
    assert network.values["steps"].count == 5
    prove_lowering(trained, network, dataset.x_test)


def test_features_that_are_all_the_same_have_no_rate():
    with pytest.raises(BadInputError, match="nothing can be learned"):
        rate_thresholds(np.full((5, 3), 7), 4)


def test_leaky_neurons_reset_to_zero_on_a_rate_code_reach_hardware(tmp_path, monkeypatch):
    neurons = (
        SpikingNeurons(count, 4, 12, beta=beta, reset_mechanism="zero")
        for count, beta in ((24, 0.75), (20, 0.5))
    )
    recipe = dataclasses.replace(
        find_recipe("digits-snn"), name="tiny", hidden=tuple(neurons), coding="rate", steps=3
    )
    monkeypatch.setitem(zoo.ZOO, "tiny", recipe)
    result = train("tiny", "digits", tmp_path, epochs=2)
    assert result["accuracy"]["golden"] == result["accuracy"]["hard"] > 0.2
    _, steps, *spiking, _, _, _ = load_network(tmp_path / "network.safetensors").layers
    assert (steps.steps, steps.coding) == (3, "split")
    assert [(layer.leak, layer.reset) for layer in spiking] == [(2, "zero"), (1, "zero")]
    convert(tmp_path)
    verified = verify_rtl(tmp_path, frames=8)
    assert (verified["frames"], verified["mismatches"], verified["problems"]) == (8, 0, [])
