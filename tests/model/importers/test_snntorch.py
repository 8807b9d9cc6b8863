"""Import from snnTorch, against its equations in plain words."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from htaflow.model.importers.snntorch import from_snntorch
from htaflow.model.integer import golden
from htaflow.model.integer.network import Encode
from htaflow.model.support.errors import BadInputError


class Leaky(nn.Module):
    """The attributes and the equations of snntorch.Leaky, as those of versions 0.8.0 to 1.0.0."""

    def __init__(self, beta, threshold=1.0, reset_mechanism="subtract", **more):
        super().__init__()
        self.register_buffer("beta", torch.as_tensor(beta))
        self.register_buffer("threshold", torch.as_tensor(threshold))
        number = ["subtract", "zero", "none"].index(reset_mechanism)
        self.register_buffer("reset_mechanism_val", torch.as_tensor(number))
        self.register_buffer("graded_spikes_factor", torch.as_tensor(1.0))
        self.register_buffer("mem", torch.zeros(1))
        self.reset_mechanism = reset_mechanism
        self.reset_delay = True
        for name, value in more.items():
            setattr(self, name, value)

    def forward(self, current, mem):
        spiked = (mem > self.threshold).to(mem.dtype)
        if self.reset_mechanism == "zero":
            mem = (1 - spiked) * mem
        mem = self.beta.clamp(0, 1) * mem + current
        if self.reset_mechanism == "subtract":
            mem = mem - spiked * self.threshold
        return (mem > self.threshold).to(mem.dtype), mem


class Lapicque(Leaky):
    """A name and a state dict that are no Leaky's, though the attributes are."""

    def __init__(self):
        super().__init__(0.5)
        for name in ("time_step", "R", "C"):
            self.register_buffer(name, torch.ones(1))


def no_delay():
    """A Leaky as of before snnTorch 0.8."""
    leaky = Leaky(0.5)
    del leaky.reset_delay
    return leaky


def encode(bits=6):
    return Encode("encode", bits, 1, False, np.arange(bits), np.ones(bits, int))


def test_a_weight_that_overflows_when_scaled_is_refused_in_words():
    state = {
        "fc1.weight": [[1e308]],
        "lif1.beta": 0.5,
        "lif1.threshold": 1.0,
        "lif1.reset_mechanism_val": 0,
        "lif1.graded_spikes_factor": 1.0,
    }
    with pytest.raises(BadInputError, match=r"'fc1.weight' holds 1e\+308, too large times 4"):
        from_snntorch(state, encode(1), steps=2, scale=4)


def stack(seed=0, *, beta=0.5, threshold=1.0, reset="subtract", bias=True, unit=1.0):
    """Six inputs, five hidden neurons, three outputs; weights of -1, 0 and 1 times ``unit``."""
    rng = np.random.default_rng(seed)
    modules = []
    for inputs, outputs in ((6, 5), (5, 3)):
        linear = nn.Linear(inputs, outputs, bias=bias)
        weights = rng.integers(-1, 2, (outputs, inputs))
        weights[:, 0] = 1
        linear.weight.data = torch.as_tensor(weights * unit, dtype=torch.float32)
        if bias:
            offsets = rng.integers(-1, 2, outputs) * unit
            linear.bias.data = torch.as_tensor(offsets, dtype=torch.float32)
        modules += [linear, Leaky(beta, threshold * unit, reset)]
    return nn.Sequential(*modules)


def spike_counts(modules, bits, steps):
    """What snnTorch would count, in double precision."""
    modules = modules.double()
    x = torch.as_tensor(bits, dtype=torch.float64)
    membranes = [torch.zeros(len(x), linear.out_features).double() for linear in modules[::2]]
    total = 0
    for _ in range(steps):
        spikes = x
        for index, (linear, leaky) in enumerate(zip(modules[::2], modules[1::2], strict=True)):
            spikes, membranes[index] = leaky(linear(spikes), membranes[index])
        total = total + spikes
    return total.detach().numpy()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 8),
    beta=st.sampled_from([0.5, 0.75, 1.0]),
    threshold=st.sampled_from([1.0, 2.0, 3.0]),
    reset=st.sampled_from(["subtract", "zero"]),
    bias=st.booleans(),
    unit=st.sampled_from([1.0, 0.25]),
    as_state=st.booleans(),
)
def test_an_imported_network_spikes_as_snntorch_says(
    seed, steps, beta, threshold, reset, bias, unit, as_state
):
    modules = stack(seed, beta=beta, threshold=threshold, reset=reset, bias=bias, unit=unit)
    given_stack = modules.state_dict() if as_state else modules
    network = from_snntorch(given_stack, encode(), steps, scale=1 / unit)
    bits = np.random.default_rng(seed).integers(0, 2, (64, 6))
    found = golden.run(network, bits)
    counts = spike_counts(modules, bits, steps)
    assert np.array_equal(found["scores"], counts)
    assert np.array_equal(found["class"][:, 0], counts.argmax(axis=1))


def test_a_module_with_named_children_and_a_list_will_do():
    modules = stack()
    module = nn.Module()
    module.fc1, module.lif1, module.drop = modules[0], modules[1], nn.Dropout()
    module.fc2, module.lif2 = modules[2], modules[3]
    digests = {from_snntorch(given, encode(), 4).digest for given in (modules, module, [*modules])}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (stack(beta=0.9), r"'1 \(Leaky\)': beta is 0.9, .* the nearest is 0.875"),
        (stack(reset="none"), r"'1 \(Leaky\)' has no reset; train with 'subtract' or 'zero'"),
        (stack(unit=0.3), r"'0 \(Linear\).weight' holds 0.3 at \[0, 0\], which is no whole"),
        ([stack()[0], Leaky([0.5] * 4 + [0.75])], "neurons of different beta"),
        (stack()[:3], r"'2 \(Linear\)' has no Leaky after it"),
        (stack()[1:], r"'1 \(Leaky\)' is no Linear; give a stack"),
        ([nn.Linear(6, 5), nn.ReLU()], r"'1 \(ReLU\)' is no Leaky"),
        ([nn.Conv2d(1, 2, 3), Leaky(0.5)], r"'0 \(Conv2d\)' has weights of shape \[2, 1, 3, 3\]"),
        ([stack()[0], Leaky(0.5, reset_delay=False)], "has reset_delay=False; train with True"),
        ([stack()[0], Leaky(0.5, inhibition=True)], "has inhibition=True; train with False"),
        ([stack()[0], Leaky(0.5, state_quant=torch.round)], "has state_quant=.*; train with False"),
        ([stack()[0], Leaky(0.5, graded_spikes_factor=torch.tensor(2.0))], "has graded spikes"),
        ([stack()[0], no_delay()], r"'1 \(Leaky\)' has no reset_delay, as before snnTorch 0.8"),
        ([stack()[0], Leaky([0.5] * 7)], r"a beta of shape \[7\] for 5 neurons; give one number"),
        ([stack()[0], Leaky(0.5, [1.0] * 7)], r"a threshold of shape \[7\] for 5 neurons"),
        ([stack()[0], Leaky(0.5, [[1.0]] * 5)], r"a threshold of shape \[5, 1\] for 5 neurons"),
        ([stack()[0], Leaky(0.5, -1.0)], "'spikes': neuron 0: threshold 0 makes it spike"),
        ([], "there is no Linear with a Leaky after it"),
        ({}, "there is no Linear with a Leaky after it"),
        (stack().state_dict() | {"4.weight": torch.ones(1, 3)}, "'4' has no Leaky after it"),
    ],
)
def test_what_cannot_be_exact_is_refused(given, words):
    with pytest.raises(BadInputError, match=words):
        from_snntorch(given, encode(), 1)


@pytest.mark.parametrize("name", ["Lapicque", "StateLeaky", "DeltaLeaky", "RLeaky", "MyLeaky"])
def test_a_module_that_has_all_that_a_leaky_has_is_none_by_another_name(name):
    other = type(name, (Leaky,), {})(0.5)
    with pytest.raises(BadInputError, match=rf"'1 \({name}\)' is no Leaky; give a stack"):
        from_snntorch([stack()[0], other], encode(), 4)


@pytest.mark.parametrize("key", ["time_step", "R", "C", "tau", "alpha", "V", "reset_delay"])
def test_a_state_dict_with_what_no_leaky_has_is_refused(key):
    state = stack().state_dict() | {f"1.{key}": torch.ones(1)}
    with pytest.raises(BadInputError, match=f"'1' has '{key}', so it is no Leaky"):
        from_snntorch(state, encode(), 4)


def test_what_stands_within_a_neuron_or_a_linear_is_refused():
    modules = nn.Sequential(nn.Linear(6, 5), Lapicque())
    with pytest.raises(BadInputError, match="'1' has 'time_step', so it is no Leaky"):
        from_snntorch(modules.state_dict(), encode(), 4)
    recurrent = stack()
    recurrent[1].recurrent = nn.Linear(5, 5)
    with pytest.raises(BadInputError, match="'1' has 'recurrent', so it is no Leaky"):
        from_snntorch(recurrent.state_dict(), encode(), 4)
    masked = stack()
    masked[0].register_buffer("mask", torch.ones(1))
    with pytest.raises(BadInputError, match="'0' has 'mask', so it is no Linear"):
        from_snntorch(masked.state_dict(), encode(), 4)


@pytest.mark.parametrize("key", ["threshold", "reset_mechanism_val", "graded_spikes_factor"])
def test_a_state_dict_without_what_every_leaky_has_is_refused(key):
    state = stack().state_dict()
    del state[f"1.{key}"]
    with pytest.raises(BadInputError, match=f"'1' lacks '{key}'; use a Leaky of snnTorch 0.8"):
        from_snntorch(state, encode(), 4)


def test_a_membrane_stands_in_the_state_dict_of_some_versions_and_matters_in_none():
    state = stack().state_dict()
    without = {key: value for key, value in state.items() if not key.endswith("mem")}
    assert len(without) == len(state) - 2
    assert len({from_snntorch(given, encode(), 4).digest for given in (state, without)}) == 1


def test_a_scale_must_be_positive():
    with pytest.raises(BadInputError, match="scale is 0; use a number above 0"):
        from_snntorch(stack(), encode(), 4, scale=0)
